import { fireEvent, render, screen } from '@testing-library/svelte';
import { beforeEach, expect, test, vi } from 'vitest';
import type { Line, Point } from '../core/data';
import { Crosshair } from './crosshair.svelte';
import Change from './Change.svelte';
import DataTable from './DataTable.svelte';
import Legend from './Legend.svelte';
import TimeSeries from './TimeSeries.svelte';

const points: Point[] = ['100.00', '200.00', '150.00', '90.00'].map((value, i) => ({
  start: `2026-11-0${i + 1}`,
  value,
  complete: i < 3,
}));
const revenue: Line = { key: '', label: 'Net revenue', points };
const props = { title: 'Net revenue', series: [revenue], unit: 'money', currency: 'USD', grain: 'day' } as const;

beforeEach(() => {
  // There is no layout here, so the width that a page would measure is given.
  Object.defineProperty(HTMLElement.prototype, 'clientWidth', { configurable: true, get: () => 600 });
});

const slider = (): HTMLElement => screen.getByRole('slider');

test('the picture says its sentence and the slider its bucket', async () => {
  render(TimeSeries, { ...props });
  expect(screen.getByRole('img').getAttribute('aria-label')).toContain('highest $200.00 on Mon 2 Nov 2026');
  await fireEvent.keyDown(slider(), { key: 'ArrowLeft' });
  expect(slider().getAttribute('aria-valuetext')).toBe('Tue 3 Nov 2026, Net revenue $150.00');
  await fireEvent.keyDown(slider(), { key: 'Home' });
  expect(slider().getAttribute('aria-valuenow')).toBe('0');
});

test('one crosshair for all charts, and only its owner shows the tooltip', async () => {
  const crosshair = new Crosshair();
  const first = render(TimeSeries, { ...props, crosshair });
  const second = render(TimeSeries, { ...props, title: 'Other', crosshair });
  await fireEvent.keyDown(first.getByRole('slider', { name: 'Net revenue, values over time' }), { key: 'Home' });
  expect(crosshair.start).toBe('2026-11-01');
  expect(first.container.querySelector('.tip')?.textContent).toContain('$100.00');
  expect(second.container.querySelector('.tip')).toBeNull();
  expect(second.container.querySelector('.echo')?.textContent).toBe('$100.00');
  first.unmount();
  expect(crosshair.start).toBeNull();
});

test('Shift and arrows select, Enter zooms to whole days, Esc leaves', async () => {
  const onbrush = vi.fn<(range: { from: string; to: string }) => void>();
  const onreset = vi.fn<() => void>();
  render(TimeSeries, { ...props, onbrush, onreset });
  await fireEvent.keyDown(slider(), { key: 'Home' });
  await fireEvent.keyDown(slider(), { key: 'ArrowRight', shiftKey: true });
  await fireEvent.keyDown(slider(), { key: 'Escape' });
  expect(onreset).not.toHaveBeenCalled();
  await fireEvent.keyDown(slider(), { key: 'ArrowRight', shiftKey: true });
  await fireEvent.keyDown(slider(), { key: 'Enter' });
  expect(onbrush).toHaveBeenCalledExactlyOnceWith({ from: '2026-11-02', to: '2026-11-04' });
  await fireEvent.keyDown(slider(), { key: 'Escape' });
  expect(onreset).toHaveBeenCalledOnce();
});

test('a sweep zooms and opens nothing, a click opens its bucket', async () => {
  HTMLElement.prototype.setPointerCapture = () => undefined;
  const onbrush = vi.fn<(range: { from: string; to: string }) => void>();
  const onpick = vi.fn<(start: string) => void>();
  render(TimeSeries, { ...props, onbrush, onpick });
  await fireEvent.pointerDown(slider(), { clientX: 10, button: 0 });
  await fireEvent.pointerMove(slider(), { clientX: 300 });
  await fireEvent.pointerUp(slider(), { clientX: 300 });
  await fireEvent.click(slider());
  expect(onbrush).toHaveBeenCalledExactlyOnceWith({ from: '2026-11-01', to: '2026-11-04' });
  expect(onpick).not.toHaveBeenCalled();
  await fireEvent.pointerDown(slider(), { clientX: 10, button: 0 });
  await fireEvent.pointerUp(slider(), { clientX: 10 });
  await fireEvent.click(slider());
  expect(onpick).toHaveBeenCalledExactlyOnceWith('2026-11-01');
  expect(onbrush).toHaveBeenCalledOnce();
});

test('a finger reads with one tap, opens with the second, and lets go elsewhere', async () => {
  const onpick = vi.fn<(start: string) => void>();
  const { container } = render(TimeSeries, { ...props, onpick });
  const tap = async (): Promise<void> => {
    await fireEvent.pointerDown(slider(), { clientX: 300, button: 0, pointerType: 'touch' });
    await fireEvent.pointerUp(slider(), { clientX: 300, pointerType: 'touch' });
    await fireEvent.pointerLeave(slider(), { pointerType: 'touch' });
    await fireEvent.click(slider());
  };
  await tap();
  expect(container.querySelector('.tip')?.textContent).toContain('$150.00');
  expect(onpick).not.toHaveBeenCalled();
  await tap();
  expect(onpick).toHaveBeenCalledExactlyOnceWith('2026-11-03');
  await fireEvent.pointerDown(document.body);
  expect(container.querySelector('.tip')).toBeNull();
});

test('nothing known says so in place of an axis', () => {
  render(TimeSeries, { ...props, series: [{ ...revenue, points: points.map((p) => ({ ...p, value: null })) }], emptyTitle: 'No revenue yet' });
  expect(screen.getByText('No revenue yet')).toBeTruthy();
  expect(screen.queryByRole('slider')).toBeNull();
});

const pressed = (): (string | null)[] => screen.getAllByRole('button').map((b) => b.getAttribute('aria-pressed'));

async function twice(button: HTMLElement): Promise<void> {
  await fireEvent.click(button, { detail: 1 });
  await fireEvent.click(button, { detail: 2 });
}

test('legend: a click toggles, two isolate, two more bring all back', async () => {
  const items = ['a', 'b', 'c'].map((key) => ({ key, label: key.toUpperCase() }));
  render(Legend, { items });
  const [a, b] = screen.getAllByRole('button');
  await fireEvent.click(a!, { detail: 1 });
  expect(pressed()).toEqual(['false', 'true', 'true']);
  await fireEvent.click(a!, { detail: 1 });
  await twice(b!);
  expect(pressed()).toEqual(['false', 'true', 'false']);
  await twice(b!);
  expect(pressed()).toEqual(['true', 'true', 'true']);
});

test('names beside the lines are a legend too, and a line that is off can come back', async () => {
  const series = ['Mail', 'Docs'].map((label) => ({ ...revenue, key: label, label }));
  const { container } = render(TimeSeries, { ...props, series });
  await fireEvent.click(screen.getByRole('button', { name: 'Docs' }), { detail: 1 });
  expect(pressed()).toEqual(['true', 'false']);
  expect(container.querySelectorAll('path[stroke-width="2"][stroke-dasharray]')).toHaveLength(1);
  await fireEvent.click(screen.getByRole('button', { name: 'Docs' }), { detail: 1 });
  expect(pressed()).toEqual(['true', 'true']);
});

test('a change is read out with what it is against', () => {
  const { container } = render(Change, { value: 47, before: 31, unit: 'count', direction: 'down', against: 'the previous period' });
  expect(container.querySelector('.bad')?.textContent).toContain('↑ +51.6%');
  expect(screen.getByText('up 51.6% against the previous period')).toBeTruthy();
});

test('a table sorts by its headings and draws long ones in parts', async () => {
  const rows = Array.from({ length: 450 }, (_, i) => ({ key: `r${i}`, name: `Customer ${i}`, mrr: `${i}.00` }));
  const columns = [
    { key: 'name', label: 'Customer' },
    { key: 'mrr', label: 'MRR', unit: 'money', currency: 'USD' },
  ] as const;
  const { container } = render(DataTable, { rows, columns, caption: 'Customers' });
  const first = (): string | undefined => container.querySelector('tbody td')?.textContent?.trim();
  expect(container.querySelectorAll('tbody tr')).toHaveLength(200);
  await fireEvent.click(screen.getByRole('button', { name: 'MRR' }));
  expect(first()).toBe('Customer 449');
  expect(screen.getByRole('columnheader', { name: 'MRR' }).getAttribute('aria-sort')).toBe('descending');
  await fireEvent.click(screen.getByRole('button', { name: /Show 200 more/ }));
  expect(container.querySelectorAll('tbody tr')).toHaveLength(400);
});
