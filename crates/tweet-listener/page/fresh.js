// What has just come is marked `fresh`, and styles let it appear gently. The mark goes when its animation has ended: a node that is moved
// later would otherwise appear once more.

export function fresh(template) {
  const node = document.importNode(template, true);
  node.classList.add('fresh');
  return node;
}

/** In `list`, the mark goes with the end of the animation of this name. */
export function settles(list, animation) {
  list.addEventListener('animationend', (event) => {
    if (event.animationName === animation) event.target.classList.remove('fresh');
  });
}
