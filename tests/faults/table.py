"""The table of cases and outcomes, as `make test-faults` prints it and as
tests/README.md keeps it."""

from pathlib import Path

README = Path(__file__).resolve().parents[1] / "README.md"
BEGIN, END = "<!-- faults: begin -->\n", "<!-- faults: end -->\n"
HEAD = ("fault", "process", "request", "cases", "outcomes")


def outcomes(row):
    if row.skipped:
        return f"not run: {row.skipped}"
    text = ", ".join(f"{count} {name.replace(', ', ' and ')}"
                     for name, count in sorted(row.outcomes.items()))
    if row.failures:
        text += f"{', ' if text else ''}{len(row.failures)} FAILED"
    return text


def lines(rows):
    return [HEAD] + [(row.what, row.role, row.request, str(row.cases),
                      outcomes(row)) for row in rows
                     if row.cases or row.skipped or row.failures]


def text(rows):
    all_lines = lines(rows)
    widths = [max(len(line[i]) for line in all_lines)
              for i in range(len(HEAD) - 1)]
    return "\n".join("  ".join(
        [cell.ljust(width) for cell, width in zip(line, widths)] +
        [line[-1]]) for line in all_lines)


def failures(rows):
    out = ""
    for row in rows:
        for n, what in row.failures:
            only = f"{row.what} . {row.role} . {row.request}"
            nth = f" --nth {n}" if n else ""
            out += f"FAILED  tests/faults/run --only '{only}'{nth}\n" \
                   f"    {what}\n\n"
    return out


def markdown(body):
    return "".join("| " + " | ".join(line) + " |\n"
                   for line in (HEAD, ("---",) * len(HEAD), *body))


def cells_of_readme():
    part = README.read_text().partition(BEGIN)[2].partition(END)[0]
    return [tuple(cell.strip() for cell in line.strip("|").split("|"))
            for line in part.splitlines()[2:]]


def rows_of_readme():
    """(fault, process, request) -> (cases, outcomes)."""
    return {line[:3]: (int(line[3]), line[4]) for line in cells_of_readme()}


def put_into_readme(rows, order):
    """`order`: all that there is, as keys; what was not run stays."""
    known = {line[:3]: line for line in cells_of_readme()}
    known.update({line[:3]: line for line in lines(rows)[1:]})
    body = [known[key] for key in order if key in known]
    before, _, rest = README.read_text().partition(BEGIN)
    after = rest.partition(END)[2]
    README.write_text(before + BEGIN + markdown(body) + END + after)
