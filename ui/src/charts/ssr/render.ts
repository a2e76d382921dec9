/** Draws a chart as SVG text, for reports. */
export function render(name: string, _propsJson: string): string {
  throw new Error(`no chart is called ${name}`);
}
