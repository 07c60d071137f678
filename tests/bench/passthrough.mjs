// The floor of the benchmark: a Worker that sends every request on to the upstream and the answer back, untouched
// and unread. Whatever a gateway on this runtime does, it cannot be faster than this.

export default {
  fetch(request, env) {
    const url = new URL(request.url);
    return fetch(env.UPSTREAM + url.pathname + url.search, request);
  },
};
