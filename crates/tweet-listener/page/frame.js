// Conflates any number of changes into one drawing per animation frame, and paces itself: what has just taken t milliseconds is not done
// again before another 3 t have passed. So drawing never takes more than about a quarter of the time, whatever arrives.

const HIDDEN_FRAME_MS = 500; // a hidden tab gets no animation frames, but its rows shall be there when one looks again
const LONGEST_REST_MS = 1_000;

export function conflated(draw) {
  let asked = false;
  let restUntil = 0;

  function run() {
    const start = performance.now();
    asked = false;
    draw();
    void document.documentElement.offsetHeight; // lays out what was drawn, so that its time is counted too
    const end = performance.now();
    restUntil = end + Math.min(LONGEST_REST_MS, 3 * (end - start));
  }

  function onNextFrame() {
    const frame = requestAnimationFrame(once);
    const timer = setTimeout(once, HIDDEN_FRAME_MS);
    function once() {
      cancelAnimationFrame(frame);
      clearTimeout(timer);
      run();
    }
  }

  return function ask() {
    if (asked) return;
    asked = true;
    const rest = restUntil - performance.now();
    if (rest > 20) setTimeout(onNextFrame, rest);
    else onNextFrame();
  };
}
