// Second opinions: AsyncAPI's official parser with its JSON Schema, and Mermaid's own grammar.
//
// Reads one JSON document from stdin, {"asyncapi": {name: text}, "mermaid": {name: text}}, and writes one to stdout:
// for each name its list of diagnostics, each with severity (0 is an error, 1 a warning), code, path and message.
import { readFileSync } from "node:fs";

const given = JSON.parse(readFileSync(0, "utf-8"));
const found = { asyncapi: {}, mermaid: {} };

if (given.asyncapi) {
  const { Parser } = await import("@asyncapi/parser");
  for (const [name, text] of Object.entries(given.asyncapi)) {
    const { diagnostics } = await new Parser().parse(text);
    found.asyncapi[name] = diagnostics.map(({ severity, code, path, message }) => ({
      severity,
      code: String(code),
      path: path.join("."),
      message,
    }));
  }
}

if (given.mermaid) {
  // Outside a browser there is no page to sanitise text for; the grammar does not need one.
  const { default: purify } = await import("dompurify");
  purify.addHook = () => {};
  purify.sanitize = (text) => text;
  const { default: mermaid } = await import("mermaid");
  for (const [name, text] of Object.entries(given.mermaid)) {
    try {
      await mermaid.parse(text);
      found.mermaid[name] = [];
    } catch (problem) {
      found.mermaid[name] = [{ severity: 0, code: "syntax", path: "", message: problem.message }];
    }
  }
}

process.stdout.write(JSON.stringify(found));
