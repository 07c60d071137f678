// A token endpoint in front of the real one that loses answers to refreshes, so that clients can be tested against
// lost answers. Like providers that allow a retry, this endpoint answers the same refresh token again in the same
// way, until the token in that answer has been used. From then on the old token counts as reused: it reaches the
// real endpoint, which revokes the grant.

/** The handler. */
export function lossy(state, endpoint) {
  const answers = new Map(); // refresh token → a promise of the answer
  const predecessors = new Map(); // refresh token → the token that it replaced

  const forward = async (headers, body) => {
    const { authorization, "content-type": type } = headers;
    const answer = await fetch(endpoint, {
      method: "POST",
      headers: { "content-type": type, ...(authorization && { authorization }) },
      body,
    });
    return { status: answer.status, text: await answer.text() };
  };

  const refresh = (token, headers, body) => {
    answers.delete(predecessors.get(token));
    if (answers.has(token)) {
      state.replayed += 1;
      return answers.get(token);
    }
    const answer = forward(headers, body);
    answers.set(token, answer);
    // Only an answer that rotated the token is repeated: after any other one the real endpoint is asked again.
    answer.then(
      (got) => successor(got) || answers.delete(token),
      () => answers.delete(token),
    );
    return answer;
  };

  /** The refresh token that an answer gave in exchange. */
  const successor = ({ status, text }) => status === 200 && JSON.parse(text).refresh_token;

  return async (request, response) => {
    let body = "";
    for await (const chunk of request) body += chunk;
    state.passed += 1;
    const form = new URLSearchParams(body);
    const token = form.get("refresh_token");
    if (form.get("grant_type") !== "refresh_token") {
      const answer = await forward(request.headers, body);
      response.writeHead(answer.status, { "content-type": "application/json" });
      return response.end(answer.text);
    }
    const answer = await refresh(token, request.headers, body);
    const next = successor(answer);
    if (next) predecessors.set(next, token);
    if (state.hold > 0) await new Promise((resolve) => setTimeout(resolve, state.hold));
    if (state.lose > 0) {
      state.lose -= 1;
      state.lost += 1;
      return request.socket.destroy();
    }
    response.writeHead(answer.status, { "content-type": "application/json" });
    response.end(answer.text);
  };
}
