"""The figures of a benchmark as a table for people and as a picture."""

import html
import math

WIDTH, LEFT, STEP, TOP = 900, 270, 46, 70
LOWEST, HIGHEST = 0.02, 20  # ratios that the picture shows


def number(value):
    if value is None:
        return "-"
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if value < 100 else f"{value:.0f}"


def against(value, goal, sign):
    """A ratio with its goal, and a mark when it is missed."""
    if value is None:
        return "-"
    if not goal:
        return f"{value:.2f}"
    missed = value < goal if sign == ">" else value > goal
    return f"{value:.2f} ({sign}{goal:g}){'  !' if missed else ''}"


def line(row):
    names = list(row["servers"])
    cells = [row["name"], row["unit"]]
    for name in names[:2]:
        server = row["servers"][name]
        cells.append(f"{number(server['rate'])} / {number(server['cpu'])}")
    cells.append(against(row["ratio"]["rate"], row["goal"]["rate"], ">"))
    cells.append(against(row["ratio"]["cpu"], row["goal"]["cpu"], "<"))
    rest = [f"{name} {number(server['rate'])} / {number(server['cpu'])}"
            for name, server in row["servers"].items() if name not in names[:2]]
    return cells + [", ".join(rest)]


def print_table(result):
    table = [["", "unit", "tgt *", "ours", "rate ratio", "CPU ratio", "beside"]]
    table += [line(row) for row in result["rows"]]
    widths = [max(len(row[column]) for row in table) for column in range(6)] + [0]
    print(f"{result['machine']}; {result['rounds']} rounds of {result['milliseconds']} ms, "
          f"medians; {result['seconds']} s in all")
    for cells in table:
        print("  ".join(cell.ljust(width) for cell, width in zip(cells, widths)).rstrip())
    print("* of the rows with digests: ours without; copying: ours with zero_copy = off; the others "
          "are what this machine\ngives a server that only moves bytes in that way, and "
          "reading or writing the file alone")
    for name, idle in result["idle"].items():
        print(f"idle: {name}: {idle['kib_per_session']:.1f} KiB a session ({idle['sessions']}), "
              f"woken {idle['wakeups_per_second']:.1f} times a second"
              + "".join(f", {grown} KiB more after {count} logins"
                        for count, grown in idle.get("kib_after_logins", {}).items()))


def place(ratio):
    """Where a ratio is on the logarithmic scale."""
    ratio = min(max(ratio, LOWEST), HIGHEST)
    share = math.log(ratio / LOWEST) / math.log(HIGHEST / LOWEST)
    return LEFT + share * (WIDTH - LEFT - 110)


def bar(ratio, goal, y, colour, what):
    one, end = place(1), place(ratio)
    parts = [f'<rect x="{min(one, end):.1f}" y="{y}" width="{abs(end - one):.1f}" height="14" '
             f'fill="{colour}"/>',
             f'<text x="{WIDTH - 100}" y="{y + 11}">{what} {ratio:.2f}</text>']
    if goal:
        parts.append(f'<line x1="{place(goal):.1f}" x2="{place(goal):.1f}" y1="{y - 2}" '
                     f'y2="{y + 16}" stroke="#c00" stroke-width="2"/>')
    return parts


def draw(result):
    """Each row's ratios to tgt, logarithmic; a red line where the goal is."""
    height = TOP + STEP * len(result["rows"]) + 20
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
             'font-family="sans-serif" font-size="12">',
             f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
             '<text x="10" y="22" font-size="16">Ratios to tgt: rate (blue), processor time or '
             'latency (green), goal (red)</text>',
             f'<text x="10" y="42" fill="#555">{html.escape(result["machine"])}</text>']
    for ratio in (0.02, 0.1, 0.5, 1, 2, 5, 10, 20):
        parts += [f'<line x1="{place(ratio):.1f}" x2="{place(ratio):.1f}" y1="{TOP - 8}" '
                  f'y2="{height - 10}" stroke="{"#000" if ratio == 1 else "#ddd"}"/>',
                  f'<text x="{place(ratio):.1f}" y="{TOP - 12}" text-anchor="middle">'
                  f'{ratio:g}</text>']
    for index, row in enumerate(result["rows"]):
        y = TOP + STEP * index
        parts.append(f'<text x="10" y="{y + 20}">{html.escape(row["name"])}</text>')
        for field, colour, what, down in (("rate", "#47a", "rate", 0),
                                          ("cpu", "#4a6", "time", 18)):
            if row["ratio"][field]:
                parts += bar(row["ratio"][field], row["goal"][field], y + down, colour, what)
    return "\n".join(parts + ["</svg>"]) + "\n"
