// The floor of the registry's benchmark: a Worker that runs, for each route, the SQL statements that Postern runs for
// it, and answers the rows that were read. No authentication, no checks, no rendering. The statements come as the JSON binding PLAN,
// recorded from Postern itself: {route: {before: [step…], after: [step…]}}, a step being one call of the database,
// {kind: "query" | "execute" | "batch", statements: [{sql, params}]}. What Postern does after its answer (the record of
// a probe) is done after the answer here, too.

/** A parameter: a value, or {fill} (text with places), {number} (a place), {now} (this moment plus so much). */
function parameter(given, values) {
  if (given === null || typeof given !== "object") return given;
  if (given.fill !== undefined) return given.fill.replace(/\{\{(\w+)\}\}/g, (_, place) => (values[place] ??= hex()));
  if (given.number !== undefined) return Number(values[given.number]);
  return values.now + given.now;
}

/** Ids that are new with every integration, such as those of its tools. */
function hex() {
  return Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

async function perform(database, { kind, statements }, values) {
  const prepared = statements.map(({ sql, params }) =>
    database.prepare(sql).bind(...params.map((given) => parameter(given, values))),
  );
  if (kind === "batch") return (await database.batch(prepared)).map(({ meta }) => meta.changes);
  return kind === "query" ? await prepared[0].raw() : (await prepared[0].run()).meta.changes;
}

async function all(database, steps, values) {
  const answers = [];
  for (const step of steps) answers.push(await perform(database, step, values));
  return answers;
}

export default {
  async fetch(request, env, context) {
    const url = new URL(request.url);
    const [, route, id] = url.pathname.split("/");
    const plan = env.PLAN[route];
    if (!plan) return new Response(null, { status: 404 });
    const values = { id, now: Date.now(), ...Object.fromEntries(url.searchParams) };
    const creates = request.method === "POST";
    if (creates) {
      values.name = (await request.json()).name;
      values.slug = values.name.toLowerCase().replaceAll(" ", "-");
      values.id = crypto.randomUUID();
    }
    const answers = await all(env.DB, plan.before, values);
    if (plan.after.length > 0) context.waitUntil(all(env.DB, plan.after, values));
    return Response.json({ answers }, { status: creates ? 201 : 200 });
  },
};
