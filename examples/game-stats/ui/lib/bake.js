// Puts a build's values into the files that browsers get.

/** Returns the API's address without a slash at its end; throws for anything that is no plain http(s) address. */
export function readApiUrl(text) {
  if (!text) {
    throw new Error("NEXT_PUBLIC_API_URL is not set: want the address at which browsers reach the API");
  }
  const url = URL.canParse(text) ? new URL(text) : null;
  const plain = url && ["http:", "https:"].includes(url.protocol) && !url.username && !url.search && !url.hash;
  if (!plain) {
    throw new Error("NEXT_PUBLIC_API_URL: want an address like https://api.example.com");
  }
  return url.href.replace(/\/+$/, "");
}

/** Returns a file's text with the values in place of what stands for them. */
export function bake(name, text, { apiUrl, revision }) {
  const replacements = name.endsWith(".js")
    ? { "process.env.NEXT_PUBLIC_API_URL": JSON.stringify(apiUrl) }
    : { "%API_ORIGIN%": new URL(apiUrl).origin, "%REVISION%": encodeURIComponent(revision) };
  let baked = text;
  for (const [placeholder, value] of Object.entries(replacements)) {
    // A function: `$&` in a value would mean something in a replacement's text.
    baked = baked.replaceAll(placeholder, () => value);
  }
  return baked;
}
