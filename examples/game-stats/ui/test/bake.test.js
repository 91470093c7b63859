import assert from "node:assert/strict";
import { test } from "node:test";
import { bake, readApiUrl } from "../lib/bake.js";

test("an address is taken without the slash at its end", () => {
  assert.equal(readApiUrl("https://api.example.com/"), "https://api.example.com");
  assert.equal(readApiUrl("http://localhost:4000/v1/"), "http://localhost:4000/v1");
});

test("what is no plain address is refused", () => {
  for (const text of [undefined, "", "api.example.com", "ftp://a.example", "https://u:p@a.example", "https://a.example?q"]) {
    assert.throws(() => readApiUrl(text), /NEXT_PUBLIC_API_URL/);
  }
});

test("a value cannot leave the place that it is written to", () => {
  const values = { apiUrl: "https://a.example/$&'\"", revision: '"><script>' };
  assert.equal(
    bake("app.js", "x = process.env.NEXT_PUBLIC_API_URL;", values),
    `x = ${JSON.stringify(values.apiUrl)};`,
  );
  assert.equal(
    bake("index.html", "%API_ORIGIN% %REVISION%", values),
    "https://a.example %22%3E%3Cscript%3E",
  );
});
