// Runs a Worker on real workerd (through Miniflare) for as long as its parent lives, and takes orders on stdin.
//
//   POSTERN_TOOLS=<node_modules with miniflare> node run.mjs
//
// Everything is one JSON object a line. The first line on stdin says what to start; secrets travel here and
// not in the argument list, where every user of the machine could read them:
//
//   {"script": "…/index.js",       main module; a .wasm file beside it is taken along when it is imported
//                                  (default: POSTERN_BUILD/index.js)
//    "bindings": {"NAME": "text"}, environment variables; a value that is not a string becomes a JSON binding
//    "d1": true, "kv": true,       bind D1 as `DB` and KV as `CACHE`
//    "rate_limit": {"limit": 20, "period": 60},   bind a rate limiter as `RATE_LIMIT` (default: none)
//    "migrations": "dir",          applied to DB in order, once each (default ../../migrations; false: none)
//    "wrangler": "wrangler.toml",  where compatibility date and flags are read (default ../../wrangler.toml)
//    "compatibility_date": "…", "compatibility_flags": ["…"],   instead of reading them there
//    "persist": "dir",             keep D1 and KV there between starts (default: in memory of this run)
//    "limits": {"subrequests": 1000, "queries": 1000, "wait_until_ms": 30000},
//                                  refuse what Cloudflare refuses (limits.mjs); without it nothing is limited
//    "port": 0,
//    "entry": false}               true: requests pass Miniflare's entry Worker, as under `wrangler dev`;
//                                  false: they reach the Worker straight from workerd's socket
//
// Answer, once requests are accepted: {"ready":true,"url":"http://127.0.0.1:…","pid":…,"workerd_pid":…}.
// Then, in any order, each answered by {"id":…,"ok":true,"result":…} or {"id":…,"ok":false,"error":"…"}:
//
//   {"id":1,"cmd":"sql","sql":"SELECT ?1","params":[1]}     → the rows
//   {"id":5,"cmd":"batch","statements":["SELECT 1"]}        → the rows of each, from one transaction
//   {"id":2,"cmd":"scheduled","cron":"* * * * *"}           → {"outcome":"ok",…} after the handler's end
//   {"id":3,"cmd":"kv"}                                     → {"key":"value",…}
//   {"id":4,"cmd":"stop"}                                   → answered, then the process ends
//   {"id":6,"cmd":"kill"}                                   → workerd and the process are killed, without an answer
//
// The Worker's console goes to stderr. The process ends when stdin closes, so it never outlives its parent.

import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, readdirSync, existsSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { basename, dirname, join, resolve } from "node:path";
import { createInterface } from "node:readline";

const HERE = import.meta.dirname;
const ROOT = resolve(HERE, "../..");

/** Cloudflare's limits for a paid plan. */
const LIMITS = { subrequests: 1000, queries: 1000, wait_until_ms: 30_000 };

/** A mistake of the caller, reported in one line without a stack. */
class UsageError extends Error {}

function loadMiniflare() {
  const tools = process.argv[2] ?? process.env.POSTERN_TOOLS;
  if (!tools) throw new UsageError("POSTERN_TOOLS is not set: it names the node_modules folder that holds miniflare");
  try {
    return createRequire(join(resolve(tools), "run.js"))("miniflare");
  } catch (error) {
    throw new UsageError(`miniflare cannot be loaded from ${tools} (${error.message}); run \`cargo xtask test\``);
  }
}

/** compatibility_date and compatibility_flags of a wrangler.toml: two plain top-level keys, no TOML parser needed. */
function compatibility(start) {
  if (start.compatibility_date) {
    return { compatibilityDate: start.compatibility_date, compatibilityFlags: start.compatibility_flags ?? [] };
  }
  const path = resolve(start.wrangler ?? join(ROOT, "wrangler.toml"));
  if (!existsSync(path)) throw new UsageError(`${path} does not exist; give "wrangler" or "compatibility_date"`);
  const toml = readFileSync(path, "utf8").replace(/^\s*#.*$/gm, "");
  const date = /^compatibility_date\s*=\s*"([^"]+)"/m.exec(toml);
  if (!date) throw new UsageError(`${path} has no compatibility_date`);
  const flags = /^compatibility_flags\s*=\s*\[([^\]]*)\]/m.exec(toml);
  return {
    compatibilityDate: date[1],
    compatibilityFlags: [...(flags?.[1] ?? "").matchAll(/"([^"]+)"/g)].map((match) => match[1]),
  };
}

/** The main module and the .wasm files beside it that it names; before them limits.mjs, if there are limits. */
function manifest(script, limits) {
  const folder = dirname(script);
  const main = basename(script);
  const source = readFileSync(script, "utf8");
  const modules = { [main]: { type: "esm", contents: source } };
  for (const file of readdirSync(folder)) {
    if (file.endsWith(".wasm") && source.includes(file)) {
      modules[file] = { type: "wasm", contents: readFileSync(join(folder, file)) };
    }
  }
  if (!limits) return { mainModule: main, modulesRoot: folder, modules };
  const wrapper = readFileSync(join(HERE, "limits.mjs"), "utf8").replace('"./index.js"', JSON.stringify(`./${main}`));
  modules["limits.mjs"] = { type: "esm", contents: wrapper };
  return { mainModule: "limits.mjs", modulesRoot: folder, modules };
}

/** Statements of one migration file; migrations hold no triggers, so a line's closing semicolon ends one. */
function statements(sql) {
  return sql
    .replace(/^\s*--.*$/gm, "")
    .split(/;[ \t]*(?:\r?\n|$)/)
    .map((statement) => statement.trim())
    .filter((statement) => statement !== "");
}

/** Applies the missing migrations, one atomic batch a file, and keeps the same record as `wrangler d1 migrations`. */
async function migrate(database, folder) {
  await database
    .prepare(
      "CREATE TABLE IF NOT EXISTS d1_migrations(id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE, " +
        "applied_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP NOT NULL)",
    )
    .run();
  const { results } = await database.prepare("SELECT name FROM d1_migrations").all();
  const applied = new Set(results.map((row) => row.name));
  for (const file of readdirSync(folder).filter((name) => name.endsWith(".sql")).sort()) {
    if (applied.has(file)) continue;
    const batch = statements(readFileSync(join(folder, file), "utf8")).map((sql) => database.prepare(sql));
    batch.push(database.prepare("INSERT INTO d1_migrations (name) VALUES (?1)").bind(file));
    try {
      await database.batch(batch);
    } catch (error) {
      throw new Error(`migration ${file}: ${error.message}`);
    }
  }
}

function options(miniflare, start, script) {
  class StderrLog extends miniflare.Log {
    log(message) {
      process.stderr.write(`${message}\n`);
    }
  }
  const env = {};
  for (const [name, value] of Object.entries(start.bindings ?? {})) {
    env[name] = typeof value === "string" ? { type: "text", value } : { type: "json", value };
  }
  if (start.d1 ?? true) env.DB = { type: "d1", id: "postern" };
  if (start.kv ?? true) env.CACHE = { type: "kv", id: "postern" };
  if (start.rate_limit) env.RATE_LIMIT = { type: "rate-limit", namespace: "1001", simple: start.rate_limit };
  const { compatibilityDate, compatibilityFlags } = compatibility(start);
  if (start.limits) {
    env.POSTERN_LIMITS = { type: "json", value: { ...LIMITS, ...start.limits } };
    compatibilityFlags.push("nodejs_als");
  }
  return {
    host: "127.0.0.1",
    port: start.entry ? (start.port ?? 0) : 0,
    cf: false,
    logRequests: false,
    telemetry: { enabled: false },
    log: new StderrLog(miniflare.LogLevel.WARN),
    handleStructuredLogs: ({ level, message }) => process.stderr.write(`[${level}] ${message}\n`),
    workers: [
      {
        config: {
          name: "worker",
          compatibilityDate,
          compatibilityFlags,
          manifest: manifest(script, start.limits),
          env,
          exports: {},
        },
        dev: start.entry
          ? {}
          : { unsafeDirectSockets: [{ host: "127.0.0.1", port: start.port ?? 0 }], stripCfConnectingIp: false },
      },
    ],
  };
}

/** The process id of workerd, for measurements of its memory; null where /proc does not show it. */
function workerdPid() {
  try {
    const children = readFileSync(`/proc/${process.pid}/task/${process.pid}/children`, "utf8").trim().split(/\s+/);
    return Number(children.find((pid) => readFileSync(`/proc/${pid}/comm`, "utf8").trim() === "workerd")) || null;
  } catch {
    return null;
  }
}

/** Kills workerd in the middle of its work, and returns when its files are free. */
async function killWorkerd(pid) {
  if (!pid) throw new UsageError("the process id of workerd is not known on this system");
  process.kill(pid, "SIGKILL");
  // A dead process counts as dead even before its parent has waited for it; the state follows the name in
  // parentheses.
  const alive = () => {
    try {
      return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
    } catch {
      return false;
    }
  };
  while (alive()) await new Promise((resolve) => setTimeout(resolve, 2));
}

/**
 * Ends workerd when this process dies without ending it (SIGKILL): the shell's `cat` ends when the pipe closes.
 * Returns a function that stops the guard.
 */
function guard(pid, temporary) {
  if (!pid) return () => {};
  // workerd writes to its folder until its process has ended, for which ten seconds are plenty.
  const wait = 'n=0; while kill -0 "$0" 2>/dev/null && [ $n -lt 100 ]; do sleep 0.1; n=$((n+1)); done';
  const script = `cat >/dev/null; kill "$0"; [ -z "$1" ] || { ${wait}; rm -rf -- "$1"; }`;
  const shell = spawn("sh", ["-c", script, String(pid), temporary ?? ""], { stdio: ["pipe", "ignore", "ignore"] });
  shell.on("error", () => {});
  shell.unref();
  return () => shell.kill("SIGKILL");
}

const commands = {
  async sql(mf, { sql, params = [] }) {
    const database = await mf.getD1Database("DB");
    const { results } = await database.prepare(sql).bind(...params).all();
    return results;
  },
  async batch(mf, { statements }) {
    const database = await mf.getD1Database("DB");
    const answers = await database.batch(statements.map((sql) => database.prepare(sql)));
    return answers.map(({ results }) => results);
  },
  async scheduled(mf, { cron }) {
    const worker = await mf.getWorker();
    return await worker.scheduled({ cron, scheduledTime: new Date() });
  },
  async kv(mf) {
    const namespace = await mf.getKVNamespace("CACHE");
    const entries = {};
    for (let cursor; ; ) {
      const page = await namespace.list({ cursor });
      for (const { name } of page.keys) entries[name] = await namespace.get(name);
      if (page.list_complete) return entries;
      cursor = page.cursor;
    }
  },
};

// A parent that died reads no more output: a failed write must not prevent the clean-up.
for (const stream of [process.stdout, process.stderr]) stream.on("error", () => {});

const say = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);

async function main() {
  const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
  const first = await lines.next();
  if (first.done) return;
  const start = JSON.parse(first.value);

  const script = start.script ?? (process.env.POSTERN_BUILD && join(process.env.POSTERN_BUILD, "index.js"));
  if (!script) throw new UsageError("no script: give one in the start line or set POSTERN_BUILD");
  if (!existsSync(script)) throw new UsageError(`${script} does not exist; run \`cargo xtask build\``);

  const miniflare = loadMiniflare();
  const settings = options(miniflare, start, resolve(script));
  const temporary = start.persist ? null : mkdtempSync(join(tmpdir(), "postern-workerd-"));
  const mf = new miniflare.Miniflare({ ...settings, resourcePersistencePath: start.persist ?? temporary });
  let stopping;
  let callOffGuard = () => {};
  const stop = () =>
    (stopping ??= (async () => {
      callOffGuard();
      await mf.dispose().catch((error) => process.stderr.write(`${error.stack}\n`));
      if (temporary) rmSync(temporary, { recursive: true, force: true });
    })());
  for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => stop().finally(() => process.exit(0)));

  try {
    const entry = await mf.ready;
    const migrations = start.migrations ?? join(ROOT, "migrations");
    if ((start.d1 ?? true) && migrations) await migrate(await mf.getD1Database("DB"), resolve(migrations));
    const url = start.entry ? entry : await mf.unsafeGetDirectURL();
    const pid = workerdPid();
    callOffGuard = guard(pid, temporary);
    say({ ready: true, url: url.origin, pid: process.pid, workerd_pid: pid });

    for await (const line of lines) {
      if (line.trim() === "") continue;
      const { id, cmd, ...rest } = JSON.parse(line);
      if (cmd === "stop") {
        await stop();
        say({ id, ok: true, result: null });
        break;
      }
      if (cmd === "kill") {
        await killWorkerd(pid);
        callOffGuard();
        if (temporary) rmSync(temporary, { recursive: true, force: true });
        process.kill(process.pid, "SIGKILL");
      }
      // Not awaited: a slow scheduled run must not delay the SQL of a test that watches the run.
      Promise.resolve()
        .then(() => {
          if (!Object.hasOwn(commands, cmd)) throw new UsageError(`unknown command ${cmd}`);
          return commands[cmd](mf, rest);
        })
        .then((result) => say({ id, ok: true, result }))
        .catch((error) => say({ id, ok: false, error: error.message }));
    }
  } finally {
    await stop();
  }
}

main().then(
  () => process.exit(0),
  (error) => {
    process.stderr.write(`run.mjs: ${error instanceof UsageError ? error.message : error.stack}\n`);
    process.exit(1);
  },
);
