import { hash } from "node:crypto";
import type { Request, Response } from "express";
import { z } from "zod";
import { Rejection } from "../domain/rejection.ts";
import { countAnswer } from "./answer.ts";
import { PROBLEMS, type ProblemCode, slugOf } from "./problem-kinds.ts";
import { type Route, rawRoute } from "./route.ts";

const CODES = Object.keys(PROBLEMS) as ProblemCode[]; // Object.keys forgets the literals

/** The page a problem's `type` leads to: what it means and what to do about it. */
export const createProblemRoutes = (): Route[] => [
  rawRoute(
    {
      method: "GET",
      path: "/problems/{slug}",
      roles: "PUBLIC",
      tag: "Operation",
      summary: "What a problem means",
      params: z.object({ slug: z.string().meta({ example: "sold-out" }) }),
      answers: { 200: { description: "A page for people.", body: "text/html" } },
      problems: ["NOT_FOUND"],
    },
    problemPage,
  ),
];

const STYLE =
  "body { font: 16px/1.5 system-ui, sans-serif; max-width: 40rem; margin: 4rem auto; padding: 0 1rem }";
// Nothing is loaded, and nothing runs; a browser takes this one style.
const POLICY = [
  "default-src 'none'",
  `style-src 'sha256-${hash("sha256", STYLE, "base64")}'`,
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

function problemPage(req: Request, res: Response): void {
  const code = CODES.find((candidate) => slugOf(candidate) === req.params.slug);
  if (!code) throw new Rejection("NOT_FOUND", "There is no such problem.");
  const { status, title, remedy } = PROBLEMS[code];
  res.setHeader("Content-Type", "text/html; charset=utf-8");
  res.setHeader("Content-Security-Policy", POLICY);
  res.setHeader("Cache-Control", "public, max-age=3600");
  res.end(
    `<!doctype html><html lang="en"><meta charset="utf-8">
<title>${title} · Holdfast</title><style>${STYLE}</style><body>
<h1>${title}</h1><p><code>${status} ${code}</code></p><p>${escapeHtml(remedy)}</p></body></html>\n`,
  );
  countAnswer(res, 200);
}

const escapeHtml = (text: string) =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
