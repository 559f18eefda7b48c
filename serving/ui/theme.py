"""How the pages look: one calm theme in light and dark, without a font or a file from the network.

Every pair of ink and ground below has a contrast of 4.5 to 1 or more (WCAG 2.2, 1.4.3), which the tests compute from what the browser
shows. Both pages, the chat and the board, take ``theme()`` and, in the page's head, ``style()``.
"""

from __future__ import annotations

import gradio as gr

# The system's own fonts, Chinese ones among them.
FONTS = (
    "system-ui",
    "-apple-system",
    "Segoe UI",
    "Roboto",
    "Noto Sans",
    "PingFang SC",
    "Microsoft YaHei",
    "Noto Sans CJK SC",
    "WenQuanYi Zen Hei",
    "sans-serif",
)
MONO = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace")

# name: (light, dark)
COLOURS: dict[str, tuple[str, str]] = {
    "ground": ("#f5f7f8", "#10181d"),
    "surface": ("#ffffff", "#18232a"),
    "raised": ("#eaf1f2", "#21303a"),
    "line": ("#c9d4d8", "#3a4c57"),
    "ink": ("#16242c", "#e8eef1"),
    "quiet": ("#4a5b65", "#a9bac3"),
    "accent": ("#0b5d6b", "#6fd0de"),
    "on-accent": ("#ffffff", "#07262c"),
    "alert-ground": ("#fdeceb", "#43161a"),
    "alert-ink": ("#7d1016", "#ffd9d6"),
    "alert-line": ("#b3261e", "#ff8a80"),
    "warn-ground": ("#fff5dc", "#3a2f12"),
    "warn-ink": ("#5f4300", "#ffe3a3"),
    "warn-line": ("#a67700", "#d9ab3c"),
    "focus": ("#0b5d6b", "#9be7f2"),
}


def _variables(shade: int) -> str:
    return "".join(f"--osler-{name}: {pair[shade]};" for name, pair in COLOURS.items())


CSS = f"""
:root, .gradio-container {{ {_variables(0)} }}
.dark, .dark .gradio-container {{ {_variables(1)} color-scheme: dark; }}
body, gradio-app, .gradio-container {{ background: var(--osler-ground) !important; color: var(--osler-ink); }}
footer {{ display: none !important; }}
.osler-hidden {{
  position: absolute !important; width: 1px; height: 1px; margin: -1px; padding: 0; overflow: hidden; clip-path: inset(50%);
  white-space: nowrap; border: 0;
}}
.gradio-container a {{ color: var(--osler-accent); text-decoration: underline; }}
.gradio-container :is(button, a, summary, input, textarea, select, [tabindex]):focus-visible {{
  outline: 3px solid var(--osler-focus) !important; outline-offset: 2px; box-shadow: none !important;
}}
@media (prefers-reduced-motion: reduce) {{
  * {{ animation-duration: 0.01ms !important; animation-iteration-count: 1 !important; transition: none !important; }}
}}
"""


def style(more: str = "") -> str:
    """The styles as an element for the page's head; ``more`` are the page's own.

    Given as Gradio's ``css`` they would not reach the page's body and root: Gradio puts its container before each selector.
    """
    return f"<style>{CSS}{more}</style>"


def theme() -> gr.themes.Base:
    """The Gradio theme of Osler's pages."""
    light = {name: pair[0] for name, pair in COLOURS.items()}
    dark = {name: pair[1] for name, pair in COLOURS.items()}
    pairs = {
        "body_background_fill": "ground",
        "body_text_color": "ink",
        "body_text_color_subdued": "quiet",
        "background_fill_primary": "ground",
        "background_fill_secondary": "ground",
        "block_background_fill": "surface",
        "block_border_color": "line",
        "block_info_text_color": "quiet",
        "block_label_background_fill": "surface",
        "block_label_text_color": "quiet",
        "block_title_text_color": "ink",
        "border_color_primary": "line",
        "border_color_accent": "accent",
        "color_accent_soft": "raised",
        "button_primary_background_fill": "accent",
        "button_primary_background_fill_hover": "accent",
        "button_primary_border_color": "accent",
        "button_primary_text_color": "on-accent",
        "button_secondary_background_fill": "surface",
        "button_secondary_background_fill_hover": "raised",
        "button_secondary_border_color": "line",
        "button_secondary_text_color": "ink",
        "checkbox_background_color_selected": "accent",
        "checkbox_border_color": "quiet",
        "checkbox_label_background_fill": "surface",
        "checkbox_label_background_fill_hover": "raised",
        "checkbox_label_background_fill_selected": "raised",
        "checkbox_label_text_color": "ink",
        "checkbox_label_text_color_selected": "ink",
        "input_background_fill": "surface",
        "input_border_color": "quiet",
        "input_border_color_focus": "accent",
        "input_placeholder_color": "quiet",
        "link_text_color": "accent",
        "panel_background_fill": "ground",
        "table_border_color": "line",
        "table_even_background_fill": "surface",
        "table_odd_background_fill": "ground",
        "table_text_color": "ink",
    }
    settings = {name: light[colour] for name, colour in pairs.items()}
    settings |= {f"{name}_dark": dark[colour] for name, colour in pairs.items()}
    base = gr.themes.Base(
        primary_hue=gr.themes.colors.cyan,
        neutral_hue=gr.themes.colors.slate,
        font=list(FONTS),
        font_mono=list(MONO),
        radius_size=gr.themes.sizes.radius_sm,
        text_size=gr.themes.sizes.text_md,
    )
    return base.set(input_border_width="1px", **settings)
