// Writes dist/: the files of src/ with this build's values in them.
//
//   NEXT_PUBLIC_API_URL   where browsers reach the API; required
//   REVISION              the commit that is built

import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { bake, readApiUrl } from "./lib/bake.js";

const source = join(import.meta.dirname, "src");
const target = process.argv[2] ?? join(import.meta.dirname, "dist");

try {
  const values = {
    apiUrl: readApiUrl(process.env.NEXT_PUBLIC_API_URL),
    revision: process.env.REVISION || "unknown",
  };
  await rm(target, { recursive: true, force: true });
  await mkdir(target, { recursive: true });
  for (const name of await readdir(source)) {
    const text = await readFile(join(source, name), "utf8");
    await writeFile(join(target, name), bake(name, text, values));
  }
  console.log(`${target}: revision ${values.revision} for the API at ${values.apiUrl}`);
} catch (error) {
  console.error(`build: ${error.message}`);
  process.exitCode = 1;
}
