import assert from "node:assert/strict";
import { test } from "node:test";
import { build, serve } from "../testing/process.js";

const BUILT_FOR = "https://api.built.example";

test("the build argument is in the page, and a variable of its name at run time changes nothing", async (t) => {
  const dist = await build(t, { NEXT_PUBLIC_API_URL: BUILT_FOR });
  const { address } = await serve(t, dist, { NEXT_PUBLIC_API_URL: "https://api.elsewhere.example" });

  const script = await (await fetch(`${address}/app.js`)).text();
  const page = await (await fetch(address)).text();

  assert.match(script, /const API_URL = "https:\/\/api\.built\.example";/);
  assert.match(page, /connect-src https:\/\/api\.built\.example"/);
  assert.doesNotMatch(script + page, /elsewhere|process\.env|%/);
});

test("another argument gives other files", async (t) => {
  const dist = await build(t, { NEXT_PUBLIC_API_URL: "https://api.other.example/v2/" });
  const { address } = await serve(t, dist);
  const script = await (await fetch(`${address}/app.js`)).text();
  assert.match(script, /"https:\/\/api\.other\.example\/v2"/);
});

test("a build without the argument fails and says which one", async (t) => {
  await assert.rejects(build(t, {}), (error) => {
    assert.equal(error.code, 1);
    assert.match(error.stderr, /^build: NEXT_PUBLIC_API_URL is not set/);
    return true;
  });
});
