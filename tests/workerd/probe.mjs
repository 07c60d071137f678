// A Worker that goes to the limits of Cloudflare and beyond, for the test that run.mjs imposes them.

const attempt = async (work) => {
  try {
    return { ok: await work() };
  } catch (error) {
    return { error: error.message };
  }
};

const text = (length) => "x".repeat(length);
let late = false;

const probes = {
  value: ({ env, n }) => env.DB.prepare("SELECT length(?1) AS n").bind(text(n)).first("n"),
  statement: ({ env, n }) => env.DB.prepare(`SELECT 1 AS n -- ${text(n - 17)}`).first("n"),
  parameters: ({ env, n }) => {
    const places = Array.from({ length: n }, (_, index) => `?${index + 1}`).join("+");
    return env.DB.prepare(`SELECT ${places} AS n`).bind(...Array(n).fill(1)).first("n");
  },
  async queries({ env, n }) {
    for (let done = 0; done < n; done++) await env.DB.prepare("SELECT 1").run();
    return n;
  },
  async batches({ env, n }) {
    for (let done = 0; done < n; done++) await env.DB.batch([env.DB.prepare("SELECT 1")]);
    return n;
  },
  async cache({ env, n }) {
    for (let done = 0; done < n; done++) await env.CACHE.get("x");
    return n;
  },
  async fetches({ n, url }) {
    for (let done = 0; done < n; done++) await (await fetch(url)).text();
    return n;
  },
  /** How many of n responses arrive while no body is read. */
  async sockets({ n, url }) {
    let arrived = 0;
    const bodies = [];
    const all = Array.from({ length: n }, async () => {
      bodies.push((await fetch(url)).body);
      arrived += 1;
    });
    await Promise.race([Promise.all(all), new Promise((resolve) => setTimeout(resolve, 300))]);
    const before = arrived;
    // Each cancelled body lets another exchange begin.
    while (arrived < n || bodies.length > 0) {
      await bodies.shift()?.cancel();
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    return before;
  },
  /** Work that is over n milliseconds after the answer. */
  later({ ctx, n }) {
    late = false;
    ctx.waitUntil(new Promise((resolve) => setTimeout(resolve, n)).then(() => (late = true)));
    return n;
  },
  /** The same, while the answer takes so long that the client leaves. */
  async abandoned(probe) {
    probes.later(probe);
    await new Promise((resolve) => setTimeout(resolve, 60_000));
  },
  late: () => late,
};

export default {
  async fetch(request, env, ctx) {
    const query = new URL(request.url);
    const name = query.pathname.slice(1);
    const n = Number(query.searchParams.get("n"));
    return Response.json(await attempt(() => probes[name]({ env, ctx, n, url: query.searchParams.get("url") })));
  },
};
