// Light or dark: the system's choice until one presses the button, then one's own, kept in this browser.

import { keep, recall, whenChangedElsewhere } from './storage.js';

const systemIsDark = matchMedia('(prefers-color-scheme: dark)');

function chosen() {
  const kept = recall('theme', null);
  return kept === 'light' || kept === 'dark' ? kept : null;
}

function inForce() {
  return chosen() ?? (systemIsDark.matches ? 'dark' : 'light');
}

function apply() {
  const theme = chosen();
  if (theme) document.documentElement.dataset.theme = theme;
  else delete document.documentElement.dataset.theme;
  const other = inForce() === 'dark' ? 'light' : 'dark';
  document.getElementById('theme')?.setAttribute('aria-label', `Switch to ${other} colours`);
}

export function ownThemeButton(button) {
  apply();
  button.addEventListener('click', () => {
    keep('theme', inForce() === 'dark' ? 'light' : 'dark');
    apply();
  });
}

apply();
systemIsDark.addEventListener('change', apply);
whenChangedElsewhere('theme', apply);
