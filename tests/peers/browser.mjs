// Headless Chromium, for tests that do what people do: open a link, fill in a form, press a button. Postern's public URL
// leads to a TLS server here that passes requests on to Postern's real address, as the edge does in production: cookies
// are `Secure`, and `Origin` is what a browser sends. No other name is resolved.
//
//   node browser.mjs CHROMIUM       CHROMIUM is the program; the first line on stdin is
//                                   {"postern": "http://127.0.0.1:…", "publicUrl": "https://…"}
//
// Answer: {"ready":true,"control":"http://…"}. Every POST to `control` names a `person`, who has a browser profile of their
// own, and at most one thing to do:
//
//   {"open": "https://…"}                              opens a URL
//   {"fill": {"login": "alice"}}                       types into the fields with these names
//   {"press": "Connect", "until": "Sign-in"}           presses a button or follows a link, and waits for a page with a heading
//   {"keep": "/oauth/callback"}                        from now on, requests below this path do not reach Postern; null: they do
//   {"insert": "<script>…"}                            from now on, this is inserted into Postern's pages; null: nothing is
//   {}                                                 looks
//
// The answer says what the person sees and what went over the wire: see `view`.

import http from "node:http";
import https from "node:https";
import { createInterface } from "node:readline";
import { setTimeout } from "node:timers/promises";
import { chromium } from "playwright-core";
import { generate } from "selfsigned";

const LIMIT = 20_000;

/** Someone with a browser profile of their own. */
class Person {
  status = null; // the status of the page that is shown
  reports = []; // what the browser reported about Postern's pages: violations of their policies, errors of the console
  requests = []; // requests of this person that reached Postern's public URL
  keep = null;
  insert = null;
}

const people = new Map();

/** Reads a whole body. */
async function whole(stream) {
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** Passes requests on to Postern. */
function edge(postern) {
  const { hostname, port } = new URL(postern);
  return async (request, response) => {
    const { method, headers, url: path } = request;
    const person = people.get(/ person\/(\S+)$/.exec(headers["user-agent"] ?? "")?.[1]) ?? new Person();
    const seen = { method, path, status: null };
    for (const name of ["origin", "cookie"]) seen[name] = headers[name] ?? null;
    person.requests.push(seen);
    if (person.keep && path.startsWith(person.keep)) {
      response.writeHead(200, { "content-type": "text/html" });
      return response.end("<!doctype html><h1>Kept</h1>");
    }
    const body = await whole(request);
    const onwards = http.request({ hostname, port, method, path, headers }, async (answer) => {
      seen.status = answer.statusCode;
      const own = { ...answer.headers };
      let content = await whole(answer);
      if (person.insert && own["content-type"]?.startsWith("text/html")) {
        content = Buffer.from(content.toString().replace("</body>", `${person.insert}</body>`));
        own["content-length"] = content.length;
      }
      response.writeHead(answer.statusCode, own);
      response.end(content);
    });
    onwards.on("error", (error) => response.writeHead(502).end(String(error)));
    onwards.end(body);
  };
}

/** Starts a server on a free port of 127.0.0.1. */
async function listen(server) {
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return server.address().port;
}

/** Reports violations of a page's policy; runs in every page before the page does. */
function watchPolicy() {
  document.addEventListener("securitypolicyviolation", (event) => {
    globalThis.report(`${event.effectiveDirective} refused ${event.blockedURI}`);
  });
}

/** Opens a browser profile for a person who has none yet. */
async function enter(browser, publicUrl, name) {
  const known = people.get(name);
  if (known) return known;
  const person = new Person();
  people.set(name, person);
  const userAgent = `Mozilla/5.0 Chrome/${browser.version()} person/${name}`;
  const context = await browser.newContext({ ignoreHTTPSErrors: true, userAgent });
  context.setDefaultTimeout(LIMIT);
  const report = (url, text) => url.startsWith(publicUrl) && person.reports.push(`${new URL(url).pathname}: ${text}`);
  await context.exposeBinding("report", ({ frame }, text) => report(frame.url(), text));
  await context.addInitScript(watchPolicy);
  person.page = await context.newPage();
  person.page.on("pageerror", (error) => report(person.page.url(), String(error)));
  person.page.on("console", (message) => {
    // The status of a page is in `view`.
    const isStatus = message.text().startsWith("Failed to load resource: the server responded with a status of");
    if (message.type() === "error" && !isStatus) report(message.location().url || person.page.url(), message.text());
  });
  person.page.on("response", (response) => {
    const isPage = response.request().isNavigationRequest() && response.frame() === person.page.mainFrame();
    if (isPage) person.status = response.status();
  });
  return person;
}

/** Does the one thing that was asked for. */
async function act({ page }, asked) {
  if (asked.open) await page.goto(asked.open);
  for (const [name, value] of Object.entries(asked.fill ?? {})) await page.locator(`[name="${name}"]`).fill(value);
  if (!asked.press) return;
  const named = { name: asked.press, exact: true };
  const target = page.getByRole("button", named).or(page.getByRole("link", named));
  await target.click({ noWaitAfter: true });
  const deadline = Date.now() + LIMIT;
  for (;;) {
    // While one page gives way to another, neither can be read.
    const { heading, isComplete } = await read(page).catch(() => ({}));
    if (heading === asked.until && isComplete) return;
    if (Date.now() > deadline) throw new Error(`no page with the heading ${asked.until}`);
    await setTimeout(25);
  }
}

/** What a page shows. */
function read(page) {
  return page.evaluate(() => {
    const { title, referrer, readyState, body } = document;
    const heading = document.querySelector("h1")?.innerText ?? "";
    return { title, heading, referrer, text: body.innerText, isComplete: readyState === "complete" };
  });
}

/** What a person sees, and what their browser sent and reported so far. */
async function view({ page, status, reports, requests }) {
  const { title, heading, text, referrer } = await read(page);
  return { url: page.url(), status, title, heading, text, referrer, reports, requests };
}

function control(browser, publicUrl) {
  return async (request, response) => {
    const asked = JSON.parse((await whole(request)).toString());
    let status = 200;
    let answer;
    try {
      const person = await enter(browser, publicUrl, asked.person);
      if ("keep" in asked) person.keep = asked.keep;
      if ("insert" in asked) person.insert = asked.insert;
      await act(person, asked);
      answer = await view(person);
    } catch (error) {
      status = 500;
      const shown = await view(people.get(asked.person)).catch(String);
      answer = { error: String(error), shown };
    }
    response.writeHead(status, { "content-type": "application/json" });
    response.end(JSON.stringify(answer));
  };
}

const lines = createInterface({ input: process.stdin });
lines.once("line", async (line) => {
  const { postern, publicUrl } = JSON.parse(line);
  const { hostname } = new URL(publicUrl);
  const { private: key, cert } = await generate([{ name: "commonName", value: hostname }], { keyType: "ec" });
  const port = await listen(https.createServer({ key, cert }, edge(postern)));
  const names = `MAP ${hostname}:443 127.0.0.1:${port}, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1`;
  const browser = await chromium.launch({ executablePath: process.argv[2], args: [`--host-resolver-rules=${names}`] });
  const controls = await listen(http.createServer(control(browser, publicUrl)));
  lines.on("close", () => browser.close().finally(() => process.exit(0)));
  console.log(JSON.stringify({ ready: true, control: `http://127.0.0.1:${controls}` }));
});
