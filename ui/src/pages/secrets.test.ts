import { fireEvent, render, screen } from '@testing-library/svelte';
import { tick } from 'svelte';
import { expect, test } from 'vitest';
import type { TableKey } from '../wire';
import { renewed, secretsOf } from './connect';
import DatabaseAddress from './DatabaseAddress.svelte';
import RenewKey from './RenewKey.svelte';

const key = (name: string, secret: boolean): TableKey => ({ name, secret, type: 'text', description: '', required: false, default: '', choices: [] });
const KEYS = [key('project_id', false), key('username', true), key('secret', true)];

test('only secrets that were typed are replaced', () => {
  expect(secretsOf(KEYS).map((one) => one.name)).toEqual(['username', 'secret']);
  expect(renewed(KEYS, { project_id: '1', username: ' ', secret: ' new ' })).toEqual({ secret: 'new' });
});

test('a source of the settings file says to change its key there', () => {
  render(RenewKey, { id: 'app', kind: 'mixpanel', made: false, onrenewed: () => undefined });
  expect(screen.getByText(/stands in the configuration/).textContent).toContain('id = "app"');
});

test('the address of BigQuery asks for a key, another does not', async () => {
  const given = { address: 'postgresql://h/d', credentials: '', trouble: '', keyTrouble: '', onchange: () => undefined };
  const { rerender } = render(DatabaseAddress, given);
  expect(screen.queryByLabelText('Service account key')).toBeNull();
  await fireEvent.input(screen.getByLabelText('Address'), { target: { value: 'bigquery://my-project' } });
  await tick();
  expect(screen.getByLabelText('Service account key').getAttribute('aria-invalid')).toBe('false');
  await rerender({ address: 'bigquery://my-project', keyTrouble: 'This is no JSON.' });
  expect(screen.getByRole('alert').textContent).toBe('This is no JSON.');
});
