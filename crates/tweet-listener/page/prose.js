// The text of a post as nodes: tags, mentions and web addresses stand out, everything else is plain text. Only text nodes, <span> and <a> with
// an http(s) address are ever made, so a post cannot bring markup of its own.

const MARKED = /(https?:\/\/[^\s<>"]+)|(?<![\p{L}\p{N}_&/])([#@][\p{L}\p{N}_]+)/gu;
const AFTER_ADDRESS = /[.,;:!?'")\]}…]+$/u;

export function fillProse(node, text) {
  node.replaceChildren();
  let from = 0;
  for (const match of text.matchAll(MARKED)) {
    const marked = match[1] ? match[1].replace(AFTER_ADDRESS, '') : match[2];
    const piece = match[1] ? link(marked) : tag(marked);
    if (match.index > from) node.append(text.slice(from, match.index));
    node.append(piece);
    from = match.index + marked.length;
  }
  if (from < text.length) node.append(text.slice(from));
}

function tag(text) {
  const node = document.createElement('span');
  node.className = 'tag';
  node.textContent = text;
  return node;
}

function link(address) {
  if (!URL.canParse(address)) return address;
  const node = document.createElement('a');
  node.href = address;
  node.rel = 'nofollow noopener noreferrer ugc';
  node.target = '_blank';
  node.textContent = address;
  return node;
}

/** "Ada Lovelace" and "@ada_lovelace" are AL. */
export function initials(author) {
  const words = author.split(/[^\p{L}\p{N}]+/u).filter(Boolean);
  if (words.length === 0) return '?';
  const first = [...words[0]][0];
  const last = words.length > 1 ? [...words.at(-1)][0] : '';
  return (first + last).toUpperCase();
}
