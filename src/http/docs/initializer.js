/* global SwaggerUIBundle */

// What /docs does: it shows /openapi.json, with every request ready to be sent.

/** The document's example of an Idempotency-Key. Whoever leaves it there means: any key that is new. */
const KEY_EXAMPLE = "new-for-each-request";

SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#docs",
  deepLinking: true,
  displayRequestDuration: true,
  tryItOutEnabled: true,
  defaultModelsExpandDepth: 0,
  validatorUrl: null,
  requestInterceptor: withNewKey,
});

// What is shown below the button is the request as it was sent, so that it can be repeated with its key.
function withNewKey(request) {
  if (request.headers["Idempotency-Key"] !== KEY_EXAMPLE) return request;
  const { "Idempotency-Key": _, ...headers } = request.headers;
  // The checkout's reserve takes the key in its body, too, and would refuse two that differ.
  const hasKey = /"idempotency_key"\s*:/.test(request.body ?? "");
  return { ...request, headers: hasKey ? headers : { ...headers, "Idempotency-Key": newKey() } };
}

// Not randomUUID: a page that came over plain HTTP from another machine has none.
function newKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
