// What the JavaScript clients share: reading their arguments, and printing one JSON object.

/** `node <client>.mjs URL TOOL ARGUMENTS_JSON [MODE]`; the API key is in POSTERN_KEY, out of the process list. */
export function task() {
  const [, , url, tool, args = "{}", mode] = process.argv;
  if (!url || !tool) {
    console.error("usage: POSTERN_KEY=<key> node <client>.mjs URL TOOL [ARGUMENTS_JSON] [MODE]");
    process.exit(2);
  }
  const key = process.env.POSTERN_KEY;
  return {
    url: new URL(url),
    tool,
    args: JSON.parse(args),
    mode,
    requestInit: key ? { headers: { Authorization: `Bearer ${key}` } } : {},
  };
}

/** Collects progress notifications, each with its time of arrival in milliseconds since the call began. */
export function progressLog() {
  const start = performance.now();
  const events = [];
  return {
    events,
    onprogress: ({ progress, total, message }) =>
      events.push({ at_ms: Math.round(performance.now() - start), progress, total, message }),
  };
}

/** Every page of tools/list. */
export async function allTools(list) {
  const tools = [];
  const seen = new Set();
  for (let cursor; ; ) {
    const page = await list(cursor === undefined ? {} : { cursor });
    tools.push(...page.tools.map((tool) => tool.name));
    // An empty string is a cursor like any other; only its absence ends the list.
    if (page.nextCursor === undefined) return tools;
    if (seen.has(page.nextCursor)) throw new Error(`tools/list repeats the cursor ${page.nextCursor}`);
    seen.add((cursor = page.nextCursor));
  }
}

/** Runs a client and prints `{protocol, tools, result, progress}`, or `{error}` with exit code 1. */
export async function report(run) {
  try {
    console.log(JSON.stringify(await run()));
    process.exit(0);
  } catch (error) {
    console.error(error);
    console.log(JSON.stringify({ error: { name: error.name, code: error.code, message: error.message } }));
    process.exit(1);
  }
}
