/** Calls to the server: JSON in and out, and one shape of error. */
import type { Answer, Problem, Question, Session, Start } from './wire';

export class Failure extends Error {
  constructor(
    readonly status: number,
    readonly problem: Problem,
  ) {
    super(problem.message);
  }
}

export const UNREACHABLE: Problem = {
  code: 'unreachable',
  message: 'The server does not answer.',
  fix: 'It is tried again by itself; check that it is running.',
  where: '',
};

export interface Api {
  start(): Promise<Start>;
  signIn(email: string, password: string): Promise<Session>;
  signOut(): Promise<void>;
  setUp(owner: { token: string; name: string; email: string; password: string }): Promise<Session>;
  get<T>(path: string, params?: Record<string, string | number | undefined>): Promise<T>;
  post<T>(path: string, body?: unknown): Promise<T>;
  put<T>(path: string, body?: unknown): Promise<T>;
  remove(path: string): Promise<void>;
  /** What the server answers as a file: posted where there is a body. */
  file(path: string, params?: Record<string, string | number | undefined>, body?: unknown): Promise<Blob>;
  ask(questions: Question[]): Promise<(Answer | { error: Problem })[]>;
}

/** `signedOut` is told of every 401, so that one place leads to the sign-in page. */
export function createApi(fetcher: typeof fetch, signedOut: () => void): Api {
  let csrf = '';

  async function send(method: string, path: string, body?: unknown): Promise<Response> {
    const headers: Record<string, string> = { Accept: 'application/json' };
    if (method !== 'GET') headers['X-CSRF-Token'] = csrf;
    if (body !== undefined) headers['Content-Type'] = 'application/json';
    let response: Response;
    try {
      response = await fetcher(path, {
        method,
        headers,
        credentials: 'same-origin',
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
    } catch {
      throw new Failure(0, UNREACHABLE);
    }
    if (response.ok) return response;
    if (response.status === 401 && !path.startsWith('/v1/session')) signedOut();
    throw new Failure(response.status, problemOf(parsed(await response.text()), response.status));
  }

  const call = async <T>(method: string, path: string, body?: unknown): Promise<T> => parsed(await (await send(method, path, body)).text()) as T;

  async function session(path: string, body: unknown): Promise<Session> {
    const answer = await call<Session>('POST', path, body);
    csrf = answer.csrf;
    return answer;
  }

  return {
    start: async () => {
      const answer = await call<Start>('GET', '/v1/start');
      csrf = answer.session.csrf;
      return answer;
    },
    signIn: (email, password) => session('/v1/session', { email, password }),
    signOut: () => call<void>('DELETE', '/v1/session'),
    setUp: (owner) => session('/v1/owner', owner),
    get: (path, params) => call('GET', path + query(params)),
    post: (path, body) => call('POST', path, body),
    put: (path, body) => call('PUT', path, body),
    remove: (path) => call<void>('DELETE', path),
    file: async (path, params, body) => (await send(body === undefined ? 'GET' : 'POST', path + query(params), body)).blob(),
    ask: async (questions) => {
      const body = await call<{ answers: (Answer | { error: Problem })[] }>('POST', '/v1/query', {
        questions,
      });
      return body.answers;
    },
  };
}

/** What to show of anything that was thrown. */
export function problemFrom(thrown: unknown): Problem {
  if (thrown instanceof Failure) return thrown.problem;
  return {
    code: 'page_error',
    message: 'This part of the page failed.',
    fix: thrown instanceof Error ? thrown.message : String(thrown),
    where: '',
  };
}

function query(params?: Record<string, string | number | undefined>): string {
  const given = Object.entries(params ?? {}).filter(([, value]) => value !== undefined);
  if (!given.length) return '';
  return `?${new URLSearchParams(given.map(([key, value]) => [key, String(value)]))}`;
}

function parsed(text: string): unknown {
  try {
    return text ? JSON.parse(text) : undefined;
  } catch {
    return undefined;
  }
}

/** What a page asked for, its server does not have: pages ask only for what there is in their version. */
const OTHER_VERSION: Problem = {
  code: 'not_found',
  message: 'This page and its server are of different versions.',
  fix: 'Load the page again. If that changes nothing, update the server.',
  where: '',
};

function problemOf(answer: unknown, status: number): Problem {
  const found = (answer as { error?: Partial<Problem> } | undefined)?.error;
  if (found?.code === 'not_found') return OTHER_VERSION;
  return {
    code: found?.code ?? `http_${status}`,
    message: found?.message ?? `The server answered with ${status}.`,
    fix: found?.fix ?? '',
    where: found?.where ?? '',
  };
}
