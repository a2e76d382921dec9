// How fast charts are, by the browser's own frames: `npm run dev`, then /speed.html.
import '../src/tokens/base.css';
import { mount } from 'svelte';
import Speed from './Speed.svelte';

export default mount(Speed, { target: document.getElementById('app')! });
