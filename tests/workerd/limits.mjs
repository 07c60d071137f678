// The main module that run.mjs puts in front of a Worker so that workerd refuses what Cloudflare refuses: workerd itself
// has none of these limits. The Worker's own modules stay as they were built.
//
// Per invocation (a request, or a cron event), from `limits` in run.mjs's start line:
//
//   D1         a value of at most 2,000,000 bytes, a statement of at most 100,000 bytes, at most 100 bound parameters; at
//              most `queries` calls
//   fetch, KV  at most `subrequests` calls; at most six exchanges at once: further ones wait until the body of an earlier
//              one was read or cancelled
//   waitUntil  is cut `wait_until_ms` after the answer (an event stream: after its end) or after the client has left: as on
//              Cloudflare, what still runs then is not dropped, it is just never continued
//
// What cannot be imposed here: the size of a row (the engine does not tell; the native database of the whole-router tests
// enforces that), processor time, memory. `fetch` is global, so the invocation it belongs to is found through
// AsyncLocalStorage; a call whose invocation is unknown is not limited.

import { AsyncLocalStorage } from "node:async_hooks";
import { WorkerEntrypoint } from "cloudflare:workers";
import * as worker from "./index.js";

const LARGEST_VALUE = 2_000_000;
const LONGEST_STATEMENT = 100_000;
const MOST_PARAMETERS = 100;
const MOST_SOCKETS = 6;

const invocations = new AsyncLocalStorage();
const encoder = new TextEncoder();

function bytes(value) {
  if (typeof value === "string") {
    // A string has at most three bytes for each of its units, so short ones need not be encoded.
    return value.length * 3 <= LARGEST_VALUE ? value.length : encoder.encode(value).byteLength;
  }
  return value?.byteLength ?? 0;
}

class Invocation {
  #limits;
  #subrequests = 0;
  #queries = 0;
  #sockets = 0;
  #waiting = [];
  #end;
  cut = false;
  ended = new Promise((resolve) => (this.#end = resolve));

  constructor(limits) {
    this.#limits = limits;
  }

  end() {
    this.#end();
  }

  subrequest() {
    this.#subrequests += 1;
    if (this.#subrequests > this.#limits.subrequests) {
      throw new Error("Too many subrequests by single Worker invocation.");
    }
  }

  query() {
    this.#queries += 1;
    if (this.#queries > this.#limits.queries) {
      throw new Error("D1_ERROR: Too many API requests by single Worker invocation.");
    }
  }

  /** Waits for one of the six sockets. Returns a function that gives it back, once. */
  async socket() {
    if (this.#sockets >= MOST_SOCKETS) await new Promise((resolve) => this.#waiting.push(resolve));
    this.#sockets += 1;
    let open = true;
    return () => {
      if (!open) return;
      open = false;
      this.#sockets -= 1;
      this.#waiting.shift()?.();
    };
  }

  async waitUntil(work) {
    const pause = () => new Promise((resolve) => setTimeoutUnlimited(resolve, this.#limits.wait_until_ms));
    const cut = this.ended.then(pause).then(() => (this.cut = true));
    await Promise.race([work, cut]);
  }

  /** What `promise` becomes, or never anything once the invocation was cut. */
  whileAlive(promise) {
    return new Promise((resolve, reject) => {
      promise.then(
        (value) => this.cut || resolve(value),
        (error) => this.cut || reject(error),
      );
    });
  }
}

/** The body of a response, which tells when it was read to its end, broke off or was cancelled. */
function watched(body, over) {
  const reader = body.getReader();
  return new ReadableStream(
    {
      async pull(controller) {
        try {
          const { done, value } = await reader.read();
          if (!done) return controller.enqueue(value);
          controller.close();
        } catch (error) {
          controller.error(error);
        }
        over();
      },
      cancel(reason) {
        over();
        return reader.cancel(reason);
      },
    },
    { highWaterMark: 0 },
  );
}

const setTimeoutUnlimited = globalThis.setTimeout;
globalThis.setTimeout = (callback, delay, ...args) => {
  const invocation = invocations.getStore();
  return setTimeoutUnlimited(() => invocation?.cut || callback(...args), delay);
};

const fetchUnlimited = globalThis.fetch;
globalThis.fetch = (...args) => {
  const invocation = invocations.getStore();
  return invocation ? invocation.whileAlive(fetchLimited(invocation, args)) : fetchUnlimited(...args);
};

async function fetchLimited(invocation, args) {
  invocation.subrequest();
  const over = await invocation.socket();
  let response;
  try {
    response = await fetchUnlimited(...args);
  } catch (error) {
    over();
    throw error;
  }
  if (!response.body) {
    over();
    return response;
  }
  const { status, statusText, headers } = response;
  return new Response(watched(response.body, over), { status, statusText, headers });
}

/** `target` with some members replaced; the others keep their own `this`. */
function replaced(target, members) {
  return new Proxy(target, {
    get(_, name) {
      if (Object.hasOwn(members, name)) return members[name];
      const value = Reflect.get(target, name, target);
      return typeof value === "function" && name !== "constructor" ? value.bind(target) : value;
    },
  });
}

function checked(statement, invocation) {
  for (const name of ["all", "first", "raw", "run"]) {
    const method = statement[name];
    statement[name] = (...args) => {
      invocation.query();
      return invocation.whileAlive(method.apply(statement, args));
    };
  }
  const { bind } = statement;
  statement.bind = (...values) => {
    if (values.length > MOST_PARAMETERS) throw new Error("D1_ERROR: too many SQL variables: SQLITE_ERROR");
    if (values.some((value) => bytes(value) > LARGEST_VALUE)) {
      throw new Error("D1_ERROR: string or blob too big: SQLITE_TOOBIG");
    }
    return checked(bind.apply(statement, values), invocation);
  };
  return statement;
}

function database(real, invocation) {
  return replaced(real, {
    prepare(sql) {
      if (bytes(sql) > LONGEST_STATEMENT) throw new Error("D1_ERROR: statement too long: SQLITE_TOOBIG");
      return checked(real.prepare(sql), invocation);
    },
    batch(statements) {
      invocation.query();
      return invocation.whileAlive(real.batch(statements));
    },
  });
}

function namespace(real, invocation) {
  const members = {};
  for (const name of ["get", "getWithMetadata", "put", "delete", "list"]) {
    const limited = async (...args) => {
      invocation.subrequest();
      const over = await invocation.socket();
      try {
        return await real[name](...args);
      } finally {
        over();
      }
    };
    members[name] = (...args) => invocation.whileAlive(limited(...args));
  }
  return replaced(real, members);
}

/** Runs one handler of the Worker under the limits. */
async function run(name, event, env, ctx) {
  const invocation = new Invocation(env.POSTERN_LIMITS);
  const limited = { ...env };
  delete limited.POSTERN_LIMITS;
  if (env.DB) limited.DB = database(env.DB, invocation);
  if (env.CACHE) limited.CACHE = namespace(env.CACHE, invocation);
  const context = replaced(ctx, { waitUntil: (work) => ctx.waitUntil(invocation.waitUntil(work)) });
  return invocations.run(invocation, async () => {
    // The signal exists where the Worker has the compatibility flag `enable_request_signal`.
    event.signal?.addEventListener("abort", () => invocation.end());
    const handlers = typeof worker.default === "function" ? instance(ctx, env, context, limited) : worker.default;
    let streams = false;
    try {
      const answer = await handlers[name](event, limited, context);
      streams = Boolean(answer?.body) && answer.headers.get("content-type") === "text/event-stream";
      return streams ? new Response(watched(answer.body, () => invocation.end()), answer) : answer;
    } finally {
      if (!streams) invocation.end();
    }
  });
}

/** The Worker as a class: made with the real context, which its base class demands, and then given the limited one. */
function instance(ctx, env, context, limited) {
  const made = new worker.default(ctx, env);
  Object.defineProperty(made, "ctx", { value: context, configurable: true });
  Object.defineProperty(made, "env", { value: limited, configurable: true });
  return made;
}

export default class extends WorkerEntrypoint {
  fetch(request) {
    return run("fetch", request, this.env, this.ctx);
  }

  scheduled(event) {
    return run("scheduled", event, this.env, this.ctx);
  }
}
