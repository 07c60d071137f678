// Preload (`node --require`) for servers that were not written for tests: they listen on 127.0.0.1 instead of every
// interface, and they leave when their standard input closes, that is, when their parent is gone.

const net = require("node:net");

const listen = net.Server.prototype.listen;
net.Server.prototype.listen = function (...args) {
  const [first, second] = args;
  if ((typeof first === "number" || /^\d+$/.test(String(first))) && typeof second !== "string") {
    args.splice(0, 1, Number(first), "127.0.0.1");
  } else if (first && typeof first === "object" && first.port != null && !first.host) {
    args[0] = { ...first, host: "127.0.0.1" };
  }
  return listen.apply(this, args);
};

if (process.env.POSTERN_LEAVE_WITH_STDIN) {
  process.stdin.on("end", () => process.exit(0));
  process.stdin.on("error", () => process.exit(0));
  process.stdin.resume();
}
