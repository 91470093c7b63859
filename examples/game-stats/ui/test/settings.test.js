import assert from "node:assert/strict";
import { test } from "node:test";
import { readSettings } from "../lib/settings.js";

test("settings have defaults", () => {
  assert.deepEqual(readSettings({}), { port: 3000, drainSeconds: 5 });
});

test("every wrong setting is named at once", () => {
  assert.throws(() => readSettings({ PORT: "http", DRAIN_SECONDS: "-1" }), /PORT.*DRAIN_SECONDS/);
});
