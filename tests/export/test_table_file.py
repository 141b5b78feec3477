from napari_acll.export._table_file import TableFile, read_table, table_lines

COLUMNS = ("name", "note")
ROWS = [("1", 'a comma, and a "quote"'), ("2", "plain"), ("3", '"')]
LAST = ("4", "after the crash")


def test_wherever_a_crash_cuts_it_whole_lines_stay_and_later_ones_follow(tmp_path):
    table = TableFile(tmp_path / "a.csv", COLUMNS)
    table.append(table_lines(ROWS))
    whole = (tmp_path / "a.csv").read_bytes()
    for n_bytes in range(len(whole) + 1):
        (tmp_path / "a.csv").write_bytes(whole[:n_bytes])
        n_lines = max(whole[:n_bytes].count(b"\n") - 1, 0)
        assert read_table(tmp_path / "a.csv", COLUMNS) == [list(row) for row in ROWS[:n_lines]]
        table.append(table_lines([LAST]))
        kept = read_table(tmp_path / "a.csv", COLUMNS)
        assert kept == [*map(list, ROWS[:n_lines]), list(LAST)]


def test_a_line_longer_than_what_is_read_at_once_goes_as_a_whole(tmp_path):
    table = TableFile(tmp_path / "a.csv", COLUMNS)
    table.append(table_lines([ROWS[1], ("long", "x" * 10_000)]))
    content = (tmp_path / "a.csv").read_bytes()
    (tmp_path / "a.csv").write_bytes(content[:-1])
    table.append(table_lines([LAST]))
    assert read_table(tmp_path / "a.csv", COLUMNS) == [list(ROWS[1]), list(LAST)]


def test_line_breaks_in_a_cell_become_spaces(tmp_path):
    TableFile(tmp_path / "a.csv", COLUMNS).append(table_lines([("a\nb", "c\r\nd")]))
    assert read_table(tmp_path / "a.csv", COLUMNS) == [["a b", "c  d"]]
