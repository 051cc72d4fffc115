import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import type { Request, Response } from "express";
import { z } from "zod";
import { Rejection } from "../domain/rejection.ts";
import { answerBytesUnlessKnown, type Bytes, etagOf } from "./answer.ts";
import { createDocument } from "./openapi.ts";
import { type AnswerSpec, type Route, rawRoute } from "./route.ts";

// Nothing comes from another host. swagger-ui styles its elements itself, and has small pictures in its CSS.
const CONTENT_SECURITY_POLICY =
  "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const PAGE = `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>Holdfast API</title>
    <link rel="icon" type="image/png" href="/docs/favicon-32x32.png">
    <link rel="stylesheet" href="/docs/swagger-ui.css">
  </head>
  <body>
    <div id="docs"></div>
    <script src="/docs/swagger-ui-bundle.js"></script>
    <script src="/docs/initializer.js"></script>
  </body>
</html>
`;

const require = createRequire(import.meta.url); // it knows where a package is
const JAVASCRIPT = "text/javascript; charset=utf-8";
const ASSETS = new Map([
  ["favicon-32x32.png", fileOf(require.resolve("swagger-ui-dist/favicon-32x32.png"), "image/png")],
  ["initializer.js", fileOf(new URL("docs/initializer.js", import.meta.url), JAVASCRIPT)],
  [
    "swagger-ui-bundle.js",
    fileOf(require.resolve("swagger-ui-dist/swagger-ui-bundle.js"), JAVASCRIPT),
  ],
  [
    "swagger-ui.css",
    fileOf(require.resolve("swagger-ui-dist/swagger-ui.css"), "text/css; charset=utf-8"),
  ],
]);

const ETAG = { ETag: "Send it as If-None-Match, to hear 304 as long as nothing has changed." };
const COMMON = { method: "GET", tag: "Operation", roles: "PUBLIC" } as const;

/** The document of `routes` and of these here, and a page that shows it. */
export function createDocRoutes(routes: Route[]): Route[] {
  const document = onFirstUse(() => ({
    bytes: JSON.stringify(createDocument([...routes, ...docRoutes])),
    type: "application/json",
  }));
  const docRoutes = [
    rawRoute(
      {
        ...COMMON,
        path: "/openapi.json",
        summary: "This document",
        answers: answersWithEtag({
          description: "OpenAPI 3.1.",
          body: z.looseObject({ openapi: z.literal("3.1.0") }),
        }),
      },
      (req, res) => answerBytesUnlessKnown(req, res, document()),
    ),
    rawRoute(
      {
        ...COMMON,
        path: "/docs",
        summary: "This document as a page",
        description: "Where every request can be tried out.",
        answers: answersWithEtag({
          description: "A page for people.",
          body: "text/html",
          headers: { "Content-Security-Policy": "Lets a browser load nothing from elsewhere." },
        }),
      },
      answerPage,
    ),
    rawRoute(
      {
        ...COMMON,
        path: "/docs/{asset}",
        summary: "What the page is made of",
        params: z.object({ asset: z.enum([...ASSETS.keys()]).meta({ example: "initializer.js" }) }),
        answers: answersWithEtag({ description: "The file.", body: "*/*" }),
        problems: ["NOT_FOUND"],
      },
      answerAsset,
    ),
  ];
  return docRoutes;
}

const answersWithEtag = ({ headers = {}, ...answer }: AnswerSpec) => ({
  200: { ...answer, headers: { ...ETAG, ...headers } },
  304: { description: "It is what you have.", headers: { ...ETAG, ...headers } },
});

const page = onFirstUse(() => ({ bytes: PAGE, type: "text/html; charset=utf-8" }));

function answerPage(req: Request, res: Response): void {
  res.setHeader("Content-Security-Policy", CONTENT_SECURITY_POLICY);
  answerBytesUnlessKnown(req, res, page());
}

function answerAsset(req: Request, res: Response): void {
  const asset = ASSETS.get(String(req.params.asset));
  if (!asset) throw new Rejection("NOT_FOUND", "There is no such file.");
  answerBytesUnlessKnown(req, res, asset());
}

function fileOf(file: string | URL, type: string): () => Bytes {
  return onFirstUse(() => ({ bytes: readFileSync(file), type }));
}

/** Makes it when somebody asks for it, once: few processes ever show it. */
function onFirstUse(make: () => Omit<Bytes, "etag">): () => Bytes {
  let made: Bytes | undefined;
  return () => {
    if (made === undefined) {
      const { bytes, type } = make();
      made = { bytes, type, etag: etagOf(bytes) };
    }
    return made;
  };
}
