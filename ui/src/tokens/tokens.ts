// The colours of tokens.css for charts that are drawn where no style sheet reaches, and the same
// by name for those on a page. A test keeps the two files alike.

export interface Palette {
  readonly page: string;
  readonly surface: string;
  readonly ink: string;
  readonly muted: string;
  readonly faint: string;
  readonly grid: string;
  readonly line: string;
  readonly accent: string;
  readonly good: string;
  readonly bad: string;
  readonly amber: string;
  /** Coloured series; from the fifth on, `rest`. */
  readonly series: readonly [string, string, string, string];
  readonly rest: string;
  readonly heat: readonly [string, string, string, string, string, string];
  /** Text on each step of heat. */
  readonly heatInk: readonly [string, string, string, string, string, string];
}

export const LIGHT: Palette = {
  page: '#f5f7fa',
  surface: '#ffffff',
  ink: '#14181f',
  muted: '#505b6b',
  faint: '#5f6a7a',
  grid: '#e3e7ed',
  line: '#d3d9e2',
  accent: '#0072b2',
  good: '#0066a0',
  bad: '#b34700',
  amber: '#8f5200',
  series: ['#0072b2', '#d55e00', '#009e73', '#cc79a7'],
  rest: '#7d8794',
  heat: ['#eef4fb', '#c6dbef', '#85bcdb', '#3a8ac0', '#0f5a9c', '#08306b'],
  heatInk: ['#14181f', '#14181f', '#14181f', '#14181f', '#ffffff', '#ffffff'],
};

export const DARK: Palette = {
  page: '#0c0f14',
  surface: '#12161c',
  ink: '#f2f4f8',
  muted: '#aeb8c6',
  faint: '#8c97a6',
  grid: '#2a313c',
  line: '#384150',
  accent: '#56b4e9',
  good: '#56b4e9',
  bad: '#f0884a',
  amber: '#f0b429',
  series: ['#56b4e9', '#f0884a', '#1fae82', '#e8b3d2'],
  rest: '#7d8796',
  heat: ['#16222f', '#173a5a', '#1b5788', '#2a74ab', '#6ab0dc', '#b9def5'],
  heatInk: ['#f2f4f8', '#f2f4f8', '#f2f4f8', '#f2f4f8', '#0c0f14', '#0c0f14'],
};

const named = (name: string): string => `var(--${name})`;

/** On a page: colours follow the reader's light or dark without a new layout. */
export const SCREEN: Palette = {
  page: named('page'),
  surface: named('surface'),
  ink: named('ink'),
  muted: named('muted'),
  faint: named('faint'),
  grid: named('grid'),
  line: named('line'),
  accent: named('accent'),
  good: named('good'),
  bad: named('bad'),
  amber: named('amber'),
  series: [named('series-1'), named('series-2'), named('series-3'), named('series-4')],
  rest: named('series-rest'),
  heat: [named('heat-1'), named('heat-2'), named('heat-3'), named('heat-4'), named('heat-5'), named('heat-6')],
  heatInk: [named('heat-ink-1'), named('heat-ink-2'), named('heat-ink-3'), named('heat-ink-4'), named('heat-ink-5'), named('heat-ink-6')],
};

/** What a layout needs to know of the look. */
export interface Theme {
  readonly colours: Palette;
  readonly font: string;
  /** px of axis and label text. */
  readonly size: number;
}

export const SCREEN_THEME: Theme = { colours: SCREEN, font: 'var(--font)', size: 12 };
export const PRINT_THEME: Theme = { colours: LIGHT, font: 'Inter', size: 9 };
export const PRINT_DARK_THEME: Theme = { ...PRINT_THEME, colours: DARK };

/** Colour of the n-th series of a chart. */
export const seriesColour = (colours: Palette, index: number): string => colours.series[index] ?? colours.rest;
