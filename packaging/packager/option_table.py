"""The README's table of options, made from the program's schema; needs the program, so no build of packages imports this."""

from pathwarden.config.schema import SECTION_HELP, SECTIONS


def markdown() -> str:
    """The README's option table; what `defaults` and `target` share is listed once, under `target`."""
    rows = ["| Section | Option | Default | Values | Meaning |", "|---|---|---|---|---|"]
    for section, options in SECTIONS.items():
        if section == "defaults":
            rows.append(f"| `defaults` | any of `target` but `host` | | | {SECTION_HELP[section]} |")
            continue
        for option in options:
            default = "required" if option.required else f"`{option.default}`" if option.default else ""
            rows.append(f"| `{section}` | `{option.name}` | {default} | {option.limits or option.kind} | {option.help} |")
    return "\n".join(rows) + "\n"
