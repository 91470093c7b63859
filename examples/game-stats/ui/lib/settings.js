// Reads the service's settings from its environment.

/** Returns the settings, or throws one error that names every problem. */
export function readSettings(environment) {
  const problems = [];
  const number = (name, fallback, low, high) => {
    const text = environment[name] || String(fallback);
    const value = Number(text);
    if (!/^[0-9]+$/.test(text) || value < low || value > high) {
      problems.push(`${name}: want a number from ${low} to ${high}, got ${JSON.stringify(text)}`);
    }
    return value;
  };
  const settings = {
    port: number("PORT", 3000, 0, 65535),
    drainSeconds: number("DRAIN_SECONDS", 5, 0, 60),
  };
  if (problems.length) {
    throw new Error(problems.join("; "));
  }
  return settings;
}
