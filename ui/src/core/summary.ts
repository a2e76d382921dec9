// What a chart shows, in one sentence, for those who hear it.
import { amount, type Grain, type Line, type Point, type Unit } from './data';
import { bucketName, GRAIN_WORDS } from './dates';
import { exact } from './format';

/** One sentence on lines over time: range, latest whole bucket, extremes, what still runs. */
export function summarise(series: readonly Line[], unit: Unit, grain: Grain, currency = '', title = ''): string {
  const [first] = series;
  if (!first) return `${title || 'Chart'}: no lines.`;
  const known = first.points.filter((point) => amount(point.value) !== null);
  const name = title || first.label || 'Chart';
  if (known.length === 0) return `${name}: no data.`;
  const say = (point: Point): string => `${exact(point.value, unit, currency)} on ${bucketName(point.start, grain)}`;
  const range = `${name} ${GRAIN_WORDS[grain].by}, ${bucketName(first.points[0]!.start, grain)} to ${bucketName(first.points.at(-1)!.start, grain)}`;
  if (series.length > 1) {
    const ends = series.slice(0, 4).map((line) => {
      const last = lastWhole(line.points);
      return `${line.label} ${last ? exact(last.value, unit, currency) : 'no data'}`;
    });
    const rest = series.length > 4 ? ` and ${series.length - 4} more` : '';
    return `${range}: ${series.length} lines, latest whole ${GRAIN_WORDS[grain].one}: ${ends.join(', ')}${rest}.`;
  }
  const whole = known.filter((point) => point.complete);
  const pool = whole.length > 0 ? whole : known;
  const high = pool.reduce((a, b) => (amount(b.value)! > amount(a.value)! ? b : a));
  const low = pool.reduce((a, b) => (amount(b.value)! < amount(a.value)! ? b : a));
  const parts = [`latest ${say(pool.at(-1)!)}`, `highest ${say(high)}`, `lowest ${say(low)}`];
  const running = first.points.some((point) => !point.complete) ? `; the last ${GRAIN_WORDS[grain].one} is still running` : '';
  return `${range}: ${parts.join(', ')}${running}.`;
}

const lastWhole = (points: readonly Point[]): Point | undefined =>
  points.findLast((point) => point.complete && amount(point.value) !== null);
