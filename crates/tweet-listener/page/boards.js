// On a narrow screen the boards beside the posts stand above them, folded, so that the newest post is in sight.

const narrow = matchMedia('(max-width: 899px)');

export function foldBoards(root) {
  const fold = () => {
    for (const board of root.querySelectorAll('details[data-fold]')) foldable(board);
  };
  fold();
  narrow.addEventListener('change', fold);
}

/** For a board that comes later. */
export function foldable(board) {
  board.open = !narrow.matches;
}
