"""HTML that cannot forget to escape: text is text unless it is `Html`."""

from html import escape

_VOID = frozenset({"br", "hr", "input", "meta", "rect"})


class Html(str):
    """Markup that is already safe. Made by `tag` and `join`; anything else is escaped when it is put in."""

    __slots__ = ()


def tag(name: str, /, *children: Html | str | int | None, **attributes: str | int | bool | None) -> Html:
    """An element. Names of attributes: ``_`` stands for ``-``, and a last one is dropped (``class_``).

    An attribute that is None or False is left out, True stands without a value; a child None is left out.
    """
    opening = "".join([name, *(_attribute(key, value) for key, value in attributes.items())])
    if name in _VOID:
        return Html(f"<{opening}/>")
    return Html(f"<{opening}>{join(*children)}</{name}>")


def join(*children: Html | str | int | None) -> Html:
    """One after the other."""
    return Html("".join(_safe(child) for child in children if child is not None))


def _safe(child: Html | str | int) -> str:
    return child if isinstance(child, Html) else escape(str(child))


def _attribute(key: str, value: str | int | bool | None) -> str:
    name = key.removesuffix("_").replace("_", "-")
    if value is None or value is False:
        return ""
    return f" {name}" if value is True else f' {name}="{escape(str(value))}"'
