/** Asking the collector. What goes wrong becomes an error whose message is meant for a person. */

/** The collector said no, or could not be asked. */
export class ApiError extends Error {
  /**
   * @param {string} message for a person
   * @param {number} status of HTTP, 0: nobody answered
   * @param {Record<string, any>} facts further members of the problem details
   */
  constructor(message, status, facts = {}) {
    super(message);
    this.status = status;
    this.facts = facts;
  }

  /** Whether nobody is there to answer. */
  get isAway() {
    return this.status === 0;
  }

  /** Whether the login has ended. */
  get isLoggedOut() {
    return this.status === 401;
  }
}

export class Api {
  /** @param {(error: ApiError) => void} failed hears of each error that may mean the collector is away */
  constructor(failed) {
    this.failed = failed;
  }

  /** Ask for JSON. Parameters that are undefined or "" are left out. */
  async get(path, params = {}, { signal } = {}) {
    const response = await this.#ask(addressed(path, params), { signal });
    return response.json();
  }

  /** Ask for bytes, as with format=columns. */
  async bytes(path, params = {}, { signal } = {}) {
    const response = await this.#ask(addressed(path, params), { signal });
    return response.arrayBuffer();
  }

  /** Change something; the collector may want the member `password` in the body. */
  async change(path, body = {}) {
    const response = await this.#ask(path, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
    });
    return response.json();
  }

  async #ask(address, how) {
    let response;
    try {
      response = await fetch(address, { cache: "no-store", redirect: "error", ...how });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw this.#told(new ApiError("The collector does not answer. It may be restarting.", 0));
    }
    if (!response.ok) throw this.#told(await refusal(response));
    return response;
  }

  #told(error) {
    this.failed(error);
    return error;
  }
}

/** The address of a question. */
export function addressed(path, params) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(params)) {
    if (value !== undefined && value !== null && value !== "") query.set(name, value);
  }
  const text = query.toString();
  return text ? `${path}?${text}` : path;
}

async function refusal(response) {
  let facts = {};
  try {
    facts = await response.json();
  } catch {
    // No problem details: what stands between us may have answered.
  }
  const detail = facts.detail ?? `the answer was ${response.status} ${response.statusText}`;
  return new ApiError(detail, response.status, facts);
}
