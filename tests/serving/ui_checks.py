"""Accessibility checks of a page, by what the browser computes: names, contrast (WCAG 2.2, 1.4.3), focus rings."""

from __future__ import annotations

from typing import Any

UNNAMED = """() => [...document.querySelectorAll('button, input, textarea, select, a[href], summary')]
  .filter(one => one.checkVisibility({visibilityProperty: true}))
  .filter(one => {
    const by = (one.getAttribute('aria-labelledby') || '').split(/\\s+/).map(id => document.getElementById(id)?.textContent || '').join('');
    const labels = one.labels ? [...one.labels].map(label => label.textContent).join('') : '';
    return !(one.getAttribute('aria-label') || by || labels || one.innerText || '').trim();
  }).map(one => one.outerHTML.slice(0, 160))"""

CONTRAST = """() => {
  const parse = text => { const found = text.match(/[\\d.]+/g).map(Number); return found.length < 4 ? [...found, 1] : found; };
  const over = (top, under) => [0, 1, 2].map(at => top[at] * top[3] + under[at] * (1 - top[3]));
  const light = colour => {
    const [r, g, b] = colour.map(one => one / 255).map(one => one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = one => {
    const layers = [];
    for (let at = one; at; at = at.parentElement) layers.push(parse(getComputedStyle(at).backgroundColor));
    return layers.reverse().reduce((under, layer) => over(layer, under), [255, 255, 255]);
  };
  const poor = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const one = walker.currentNode.parentElement;
    if (!walker.currentNode.textContent.trim() || !one.checkVisibility({visibilityProperty: true, opacityProperty: true})) continue;
    if (one.closest('script, style, .osler-hidden, :disabled')) continue;
    const style = getComputedStyle(one);
    const under = ground(one);
    const [high, low] = [light(over(parse(style.color), under)), light(under)].sort((a, b) => b - a);
    const ratio = (high + 0.05) / (low + 0.05);
    const large = parseFloat(style.fontSize) >= 24 || (parseFloat(style.fontSize) >= 18.66 && style.fontWeight >= 700);
    if (ratio < (large ? 3 : 4.5)) poor.push([walker.currentNode.textContent.trim().slice(0, 40), ratio.toFixed(2), style.color]);
  }
  return poor;
}"""

RING = """() => {
  const one = document.activeElement;
  const style = getComputedStyle(one);
  const ring = parseFloat(style.outlineWidth) >= 2 && style.outlineStyle !== 'none';
  return ring ? null : one.outerHTML.slice(0, 160);
}"""


def unnamed(page: Any) -> list[str]:
    """Controls in sight that a screen reader could not name."""
    return list(page.evaluate(UNNAMED))


def contrast(page: Any) -> list[Any]:
    """Texts in sight with less contrast than WCAG's level AA asks for."""
    return list(page.evaluate(CONTRAST))


def without_ring(page: Any, stops: int = 20) -> list[str]:
    """Stops of the Tab key, from the page's top, that show no ring."""
    page.focus(".o-skip")
    found = []
    for _ in range(stops):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement === document.body"):
            continue  # past the last one
        bare = page.evaluate(RING)
        if bare:
            found.append(str(bare))
    return found
