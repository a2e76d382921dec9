import { expect, test } from 'vitest';
import { backOff, Socket, type Ears, type Link } from './socket';
import type { Frame, Watch } from './wire';

function surroundings() {
  const wires: { sent: Watch[]; ears: Ears }[] = [];
  const timers: { run: () => void; ms: number; live: boolean }[] = [];
  const links: Link[] = [];
  const frames: Frame[] = [];
  let signedOut = 0;
  let position: string | null = null;
  const socket = new Socket({
    connect(ears) {
      const sent: Watch[] = [];
      wires.push({ sent, ears });
      return { send: (text) => void sent.push(JSON.parse(text) as Watch), close: () => undefined };
    },
    frame: (frame) => void frames.push(frame),
    link: (link) => void links.push(link),
    signedOut: () => void (signedOut += 1),
    position: () => position,
    later(run, ms) {
      const timer = { run, ms, live: true };
      timers.push(timer);
      return () => void (timer.live = false);
    },
    random: () => 0,
  });
  return {
    socket,
    wires,
    links,
    frames,
    signedOut: () => signedOut,
    at: (text: string | null) => void (position = text),
    open: () => wires.at(-1)!.ears.open(),
    drop: (code = 1006) => wires.at(-1)!.ears.close(code),
    /** Runs the timers of that wait and says how many there were. */
    fire(ms: number): number {
      const due = timers.filter((timer) => timer.live && timer.ms === ms);
      for (const timer of due) {
        timer.live = false;
        timer.run();
      }
      return due.length;
    },
  };
}

const watched = new Map([['a', { metric: 'dau' }]]);

test('says what is watched when it opens, and again when that changes, with what is known', () => {
  const it = surroundings();
  it.socket.start();
  it.socket.watch(watched, false);
  it.open();
  it.at('0-3');
  it.socket.watch(watched, true);
  expect(it.wires[0]!.sent).toEqual([
    { watch: [{ id: 'a', question: { metric: 'dau' } }], since: null, feed: false, batch: true },
    { watch: [{ id: 'a', question: { metric: 'dau' } }], since: '0-3', feed: true, batch: true },
  ]);
});

test('reconnects and resumes from the position it had', () => {
  const it = surroundings();
  it.socket.start();
  it.socket.watch(watched, false);
  it.open();
  it.at('0-7');
  it.drop();
  expect(it.links.at(-1)).toBe('waiting');
  expect(it.fire(125)).toBe(1);
  it.open();
  expect(it.wires).toHaveLength(2);
  expect(it.wires[1]!.sent[0]!.since).toBe('0-7');
  expect(it.links).toEqual(['connecting', 'open', 'waiting', 'connecting', 'open']);
});

test('waits longer after each failure, and starts over after a steady link', () => {
  const it = surroundings();
  it.socket.start();
  it.drop();
  expect(it.fire(125)).toBe(1);
  it.drop();
  expect(it.fire(250)).toBe(1);
  it.open();
  expect(it.fire(5000)).toBe(1);
  it.drop();
  expect(it.fire(125)).toBe(1);
});

test('a link that opens and falls at once keeps waiting longer', () => {
  const it = surroundings();
  it.socket.start();
  it.open();
  it.drop();
  expect(it.fire(125)).toBe(1);
  it.open();
  it.drop();
  expect(it.fire(125)).toBe(0);
  expect(it.fire(250)).toBe(1);
});

test('a refused sign-in is told and not tried again', () => {
  const it = surroundings();
  it.socket.start();
  it.drop(4401);
  expect(it.signedOut()).toBe(1);
  expect(it.links.at(-1)).toBe('closed');
  expect(it.fire(125)).toBe(0);
});

test('a stopped socket stays stopped', () => {
  const it = surroundings();
  it.socket.start();
  it.drop();
  it.socket.stop();
  expect(it.fire(125)).toBe(0);
  expect(it.wires).toHaveLength(1);
});

test('frames are handed on as they came', () => {
  const it = surroundings();
  it.socket.start();
  it.open();
  it.wires[0]!.ears.message('{"alerts":{"open":1,"latest":null}}');
  expect(it.frames).toEqual([{ alerts: { open: 1, latest: null } }]);
});

test('many frames in one message are handed on one by one, in their order', () => {
  const it = surroundings();
  it.socket.start();
  it.open();
  it.wires[0]!.ears.message('[{"alerts":{"open":1,"latest":null}},{"alerts":{"open":2,"latest":null}}]');
  it.wires[0]!.ears.message('[]');
  expect(it.frames.map((frame) => 'alerts' in frame && frame.alerts.open)).toEqual([1, 2]);
});

test('what an earlier wire says late is not heard', () => {
  const it = surroundings();
  it.socket.start();
  it.open();
  it.drop();
  it.fire(125);
  it.wires[0]!.ears.message('{"alerts":{"open":1,"latest":null}}');
  it.wires[0]!.ears.close(1006);
  expect(it.frames).toEqual([]);
  expect(it.links.at(-1)).toBe('connecting');
});

test('the wait is bounded and never nothing', () => {
  expect(backOff(0, 0)).toBe(125);
  expect(backOff(0, 1)).toBe(250);
  expect(backOff(40, 1)).toBe(15_000);
  expect(backOff(40, 0)).toBe(7_500);
});
