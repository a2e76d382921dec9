// Every chart in every state, for those who draw them: `npm run dev`, then /gallery.html.
import '../src/tokens/base.css';
import { mount } from 'svelte';
import Gallery from './Gallery.svelte';

const theme = new URLSearchParams(location.search).get('theme');
if (theme) document.documentElement.dataset.theme = theme;

export default mount(Gallery, { target: document.getElementById('app')! });
