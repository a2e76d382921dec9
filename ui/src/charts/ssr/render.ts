// Charts as SVG text for reports: the components of the pages, laid out at print size.
import { render as renderComponent } from 'svelte/server';
import { summarise } from '../../core/summary';
import { layoutSparkline, type SparklineData } from '../../core/sparkline';
import { layoutTimeSeries, type TimeSeriesData } from '../../core/time-series';
import { layoutDiverging, type DivergingData } from '../../core/diverging';
import { layoutWaterfall, type WaterfallData } from '../../core/waterfall';
import { PRINT_DARK_THEME, PRINT_THEME, type Theme } from '../../tokens/tokens';
import DivergingPicture from '../DivergingPicture.svelte';
import SparklinePicture from '../SparklinePicture.svelte';
import TimeSeriesPicture from '../TimeSeriesPicture.svelte';
import WaterfallPicture from '../WaterfallPicture.svelte';

/** What every chart takes beside its data; lengths in px of the SVG. */
interface Sheet {
  readonly width: number;
  readonly height: number;
  readonly dark?: boolean;
  readonly font?: string;
  readonly size?: number;
  readonly summary?: string;
  readonly title?: string;
}

function themeOf({ dark = false, font, size }: Sheet): Theme {
  const base = dark ? PRINT_DARK_THEME : PRINT_THEME;
  return { ...base, font: font ?? base.font, size: size ?? base.size };
}

const charts: Record<string, (props: never) => string> = {
  TimeSeries(props: TimeSeriesData & Sheet): string {
    const theme = themeOf(props);
    const scene = layoutTimeSeries(props, props.width, props.height, theme);
    const summary = props.summary ?? summarise(props.series, props.unit, props.grain, props.currency, props.title);
    return renderComponent(TimeSeriesPicture, { props: { scene, theme, summary } }).body;
  },
  Sparkline(props: SparklineData & Sheet): string {
    const theme = themeOf(props);
    const scene = layoutSparkline(props, props.width, props.height, theme);
    return renderComponent(SparklinePicture, { props: { scene, theme, summary: props.summary ?? '' } }).body;
  },
  Waterfall(props: WaterfallData & Sheet): string {
    const theme = themeOf(props);
    const scene = layoutWaterfall(props, props.width, props.height, theme);
    return renderComponent(WaterfallPicture, { props: { scene, theme, summary: props.summary ?? '' } }).body;
  },
  Diverging(props: DivergingData & Sheet): string {
    const theme = themeOf(props);
    const scene = layoutDiverging(props, props.width, props.height, theme);
    return renderComponent(DivergingPicture, { props: { scene, theme, summary: props.summary ?? '' } }).body;
  },
};

/** The chart `name` with `props` (JSON) as one `<svg>`; throws on a name that does not exist. */
export function render(name: string, propsJson: string): string {
  const chart = charts[name];
  if (!chart) throw new Error(`no chart is called '${name}'; there are: ${Object.keys(charts).join(', ')}`);
  const svg = chart(JSON.parse(propsJson) as never);
  // Svelte's marks for waking a page up again; nobody wakes a report.
  return svg.replaceAll(/<!--.*?-->/g, '').trim();
}
