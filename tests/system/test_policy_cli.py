"""The policy by the commands: checked with line numbers, proposed, read and
approved by another officer, shown as it was at any place of the log."""

import json

import pytest

import mintmark_client as mm
from mint import MINTMARK, eventually, fresh, mintmark
from office import Terminal, open_office


@pytest.fixture(scope="module")
def office():
    with open_office() as office:
        yield office


def propose(office, text, by="ada", **expect):
    return office.json("policy", "propose", office.file("p.conf", text),
                       by=by, **expect)


def bring(office, policy, text, number=None):
    """A proposal that no command of ours would make; its payload."""
    claim = mm.claim(office.mint.origin, "policy", mm.policy_body(
        number or mm.decode(policy)[0], policy))
    ada = mm.Officer.read(office.keys["ada"])
    with office.mint.client("officer") as client:
        answer = client.statement([ada.sign_payload(claim)], policy=policy,
                                  text=text)
        assert answer[4] == 1  # officer is missing
    return next(r["payload"] for r in office.pending()
                if r["index"] == answer[0])


def proposals(office):
    return [r for r in office.pending() if r["kind"] == "policy"]


def compiled(office, text):
    path = office.file("c.conf", text)
    out = office.place / fresh("document")
    mintmark("policy", "check", "--document", out, path)
    return out.read_bytes()


def withdraw(office, payload):
    office.say("pending", "withdraw", payload, "--yes", by="bob")


# ---------------------------------------------------------------------- check

def test_check_says_what_it_is(office):
    path = office.file("good.conf", office.text(2))
    said = json.loads(mintmark("policy", "check", "--json", path).stdout)
    assert said["number"] == 2 and said["officers"] == 3
    assert len(bytes.fromhex(said["sha256"])) == 32


@pytest.mark.parametrize("old,new", [
    ("\torder = 2", "\torder = 4"),
    ("\tpolicy = 2", "\tpolicy = many"),
    ("number = 9", "nummer = 9"),
    ("\tkeys = {P-256}", "\tkeys = {P-255}")], ids=lambda t: t.strip())
def test_check_names_the_line(office, old, new):
    text = office.text(9, replace=[(old, new)])
    path = office.file("bad.conf", text)
    done = mintmark("policy", "check", path, ok=(78,))
    assert ": bad-policy: " in done.stderr and done.stdout == ""
    if "order" not in old:
        line = text[:text.index(new)].count("\n") + 1
        assert f"bad.conf:{line}:" in done.stderr, done.stderr


@pytest.mark.parametrize("what", [
    "\x1b[2J", "\x9b31m", "\u202eevil", "\u200b", "x\rpolicy = 1",
    "\u2066"], ids=repr)
def test_what_looks_like_what_it_is_not(office, what):
    text = office.text(9).replace("number =", f"# {what}\nnumber =", 1)
    path = office.file("hidden.conf", text)
    line = text[:text.index("# " + what)].count("\n") + 1
    done = mintmark("policy", "check", path, ok=(65, 78))
    assert f"line {line} " in done.stderr or f":{line}:" in done.stderr
    assert what not in done.stderr
    done = office.say("policy", "propose", path, by="ada", ok=(65, 78))
    assert what not in done.stderr
    assert not proposals(office)


def test_check_of_what_is_not_there(office):
    mintmark("policy", "check", office.place / "nothing", ok=(78,))
    mintmark("policy", "check", office.place, ok=(78,))
    mintmark("policy", "check", ok=(64,))


def test_a_document_is_kept_without_force(office):
    path = office.file("good.conf", office.text(2))
    out = office.file("taken", "mine")
    mintmark("policy", "check", "--document", out, path, ok=(64,))
    assert out.read_text() == "mine"
    mintmark("policy", "check", "--force", "--document", out, path)
    assert mm.decode(out.read_bytes())[0] == 2


# -------------------------------------------------------- propose and approve

def next_number(office):
    return office.json("officer", "list")["policy"] + 1


def test_three_policies_after_one_another(office):
    """--at finds each by the entries that were decided under it."""
    first = office.mint.entries()
    texts = {}
    for _ in range(2):
        number = next_number(office)
        text = office.text(number) + f"\n# as somebody wrote it: {number} ü\n"
        said = propose(office, text)
        assert said["state"] == "pending" and said["number"] == number
        assert office.json("officer", "list")["policy"] == number - 1
        done = office.say("policy", "approve", said["payload"], "--yes",
                          "--json", by="bob")
        assert text.strip() in done.stderr  # it is read before it is signed
        index = json.loads(done.stdout)["index"]
        eventually(lambda: office.json("officer", "list")["policy"] ==
                   number, "the new policy")
        texts[index] = text
        office.json("order", "create", "--name", fresh("order"), "--units",
                    1, "--station", "station", "--pattern", "*", by="ada")
    for index, text in texts.items():
        for at in (index, index + 1):
            assert office.say("policy", "show", "--at", at).stdout == text
        assert office.say("policy", "show", "--at",
                          index - 1).stdout != text
    assert office.say("policy", "show").stdout == text
    assert office.say("policy", "show", "--at", 0).stdout == (
        office.mint.dir / "policy.conf").read_text()
    assert office.say("policy", "show", "--at", len(first) - 1).stdout == (
        office.place / "strict.conf").read_text()
    shown = office.json("policy", "show")
    assert shown["index"] == max(texts) and shown["kind"] == "policy"
    office.say("policy", "show", "--at", 10**9, ok=(1,))
    office.say("policy", "show", "--at", "-1", ok=(64,))


def test_show_writes_the_document(office, workdir):
    out = workdir / "document"
    office.say("policy", "show", "--at", 0, "--document", out)
    assert mm.decode(out.read_bytes())[0] == 1
    office.say("policy", "show", "--document", out, ok=(64,))
    assert mm.decode(out.read_bytes())[0] == 1


def test_a_text_that_says_something_else(office):
    number = next_number(office)
    policy = compiled(office, office.text(number, threshold=1))
    payload = bring(office, policy, office.text(number).encode())
    for noun in ("policy", "pending"):
        done = office.say(noun, "approve", payload, "--yes", by="bob",
                          ok=(1,))
        assert ": receipt-mismatch: " in done.stderr
        assert "do not sign it" in done.stderr
    withdraw(office, payload)


def test_a_policy_without_a_text(office):
    policy = compiled(office, office.text(next_number(office)))
    payload = bring(office, policy, None)
    done = office.say("policy", "approve", payload, "--yes", by="bob",
                      ok=(1,))
    assert "no text beside it" in done.stderr
    assert office.json("pending", "show", payload)["payload"] == payload
    office.refused("not-found", "pending", "show", payload, "--policy-text",
                   office.place / "none", status=1)
    withdraw(office, payload)


HIDDEN = "# \x1b[2J\x1b]0;owned\x07 \u202e \x9b31m"


def test_a_text_that_would_control_the_terminal(office, workdir):
    text = office.text(next_number(office))
    policy = compiled(office, text)
    payload = bring(office, policy,
                    (text + "\n# \u202e reversed \x9b31m\n").encode())
    done = office.say("policy", "approve", payload, "--yes", by="bob",
                      ok=(65,))
    assert ": bad-text: " in done.stderr
    assert "\u202e" not in done.stderr and "\x9b" not in done.stderr
    withdraw(office, payload)
    payload = bring(office, policy, (text + "\n" + HIDDEN + "\n").encode())
    done = office.say("policy", "approve", payload, "--yes", by="bob",
                      ok=(65, 78))
    assert "\x1b" not in done.stderr
    identity = ["--identity", office.mint.identity("officer")]
    for words in (["pending", "show", payload],
                  ["pending", "show", payload, "--policy-text", "-"]):
        status, shown = Terminal(MINTMARK, *words, *identity).end()
        assert status == 0 and text[:20] in shown or "unreadable" in shown
        assert not set("\x1b\x07\u202e\x9b") & set(shown)
    office.say("pending", "show", payload, "--policy-text", workdir / "t")
    assert (workdir / "t").read_text() == text + "\n" + HIDDEN + "\n"
    withdraw(office, payload)


def test_a_policy_in_force_whose_text_would(office):
    """Who signs it by other means has only himself to blame; who reads it
    later has not."""
    number = next_number(office)
    text = office.text(number)
    policy = compiled(office, text)
    claim = mm.claim(office.mint.origin, "policy",
                     mm.policy_body(number, policy))
    people = [mm.Officer.read(office.keys[n]) for n in ("ada", "bob")]
    raw = text + "\n" + HIDDEN + "\n"
    with office.mint.client("officer") as client:
        client.statement([o.sign_payload(claim) for o in people],
                         policy=policy, text=raw.encode())
        eventually(lambda: client.status()[4] == number, "the new policy")
    terminal = Terminal(MINTMARK, "policy", "show", "--identity",
                        office.mint.identity("officer"))
    status, shown = terminal.end()
    assert status == 0 and "number = " in shown
    assert not set("\x1b\x07\u202e\x9b") & set(shown)
    assert office.say("policy", "show").stdout == raw  # as it is, to a file


def test_a_policy_in_force_whose_text_says_something_else(office):
    """By other means than ours, or by whoever decides: the token process and
    the notary know the document alone."""
    number = next_number(office)
    policy = compiled(office, office.text(number))
    claim = mm.claim(office.mint.origin, "policy",
                     mm.policy_body(number, policy))
    people = [mm.Officer.read(office.keys[n]) for n in ("ada", "bob")]
    lie = office.text(number, threshold=3)
    with office.mint.client("officer") as client:
        client.statement([o.sign_payload(claim) for o in people],
                         policy=policy, text=lie.encode())
        eventually(lambda: client.status()[4] == number, "the new policy")
    done = office.say("policy", "show", ok=(1,))
    assert done.stdout == lie
    assert ": receipt-mismatch: " in done.stderr


@pytest.mark.parametrize("change", [-1, 1])
def test_a_number_that_is_not_the_next(office, change):
    text = office.text(next_number(office) + change)
    done = office.say("policy", "propose", office.file("p.conf", text),
                      by="ada", ok=(65, 77, 78))
    assert done.stdout == "" and not proposals(office)


def test_locking_everybody_out(office):
    """One that nobody could change is no policy; one that the officers of
    before could not, is refused."""
    text = office.text(next_number(office), threshold=3,
                       names=("ada", "bob"))
    path = office.file("locked.conf", text)
    mintmark("policy", "check", path, ok=(78,))
    office.say("policy", "propose", path, by="ada", ok=(78,))
    assert not proposals(office)
    text = office.text(next_number(office), threshold=3).replace(
        "\tpolicy = 3", "\tpolicy = 2")
    withdraw(office, propose(office, text)["payload"])


def test_check_gives_advice(office):
    text = office.text(next_number(office), threshold=3)
    path = office.file("advice.conf", text)
    done = mintmark("policy", "check", "--json", path)
    advice = json.loads(done.stdout)["advice"]
    for row in advice:
        assert row["text"] in done.stderr
    # People read it once.
    done = mintmark("policy", "check", path)
    for row in advice:
        assert (done.stdout + done.stderr).count(row["text"]) == 1


# ------------------------------------------------------------------- products

LAMP = """
product "lamp" {
	schemes = {"secure-boot-v2-%s:sb-1", "sha256-ecdsa"}
	format = esp-app
	chip = %s
	project = lamp
	versions = semver
	%s
	secure-version = 1
	dirty = no
	certificate = 90d
	resign = append
	unread = no
}
"""
SLOTS = """# Name, Type, SubType, Offset, Size
nvs,     data, nvs,     0x9000,  0x4000
otadata, data, ota,     0xd000,  0x2000
ota_0,   app,  ota_0,   0x10000, 0x180000
ota_1,   app,  ota_1,   ,        0x100000
"""


def lamp(office, number, size="slot = 1M", chip="esp32c3", key="rsa3072"):
    return office.text(number) + LAMP % (key, chip, size)


def test_a_partition_table_is_as_good_as_its_slot(office):
    office.file("slots.csv", SLOTS)
    assert compiled(office, lamp(office, 9, 'partition-table = "slots.csv"')
                    ) == compiled(office, lamp(office, 9, "slot = 1M"))
    assert compiled(office, lamp(office, 9, "slot = 1023K")
                    ) != compiled(office, lamp(office, 9, "slot = 1M"))


@pytest.mark.parametrize("old,new,why", [
    ("semver", "calver", "none of any, semver"),
    ("esp32c3", "esp8266", "no chip"),
    ("esp-app", "elf", "no format"),
    ("rsa3072", "ecdsa256", "does not verify"),
    ("rsa3072", "ed25519", "no signature scheme"),
    ("secure-version = 1", "secure-version = 17", "counts to 16"),
    ("unread = no", "unread = yes", "nobody reads"),
    ("append", "sometimes", "none of refuse"),
    ("slot = 1M", 'partition-table = "gone.csv"', "gone.csv"),
    ("slot = 1M", 'slot = 1M\n\tpartition-table = "slots.csv"',
     "one of the two")], ids=lambda t: t.replace("\n", " ").strip())
def test_a_product_that_cannot_be_is_refused_at_its_line(office, old, new,
                                                         why):
    office.file("slots.csv", SLOTS)
    text = lamp(office, 9)
    before, after = text.split('product "lamp"')
    text = before + 'product "lamp"' + after.replace(old, new, 1)
    done = mintmark("policy", "check", office.file("bad.conf", text),
                    ok=(78,))
    line = text.count("\n", 0, text.rindex(new) + len(new)) + 1
    assert f"bad.conf:{line}: " in done.stderr, done.stderr
    assert why in done.stderr and done.stdout == ""


@pytest.mark.parametrize("chip,rsa", [
    ("esp32h2", True), ("esp32p4", True), ("esp32c5", True),
    ("esp32c61", False)])
def test_hardware_ecdsa_is_warned_of(office, chip, rsa):
    path = office.file("h2.conf", lamp(office, 9, chip=chip, key="ecdsa256"))
    said = json.loads(mintmark("policy", "check", "--json", path).stdout)
    told = [row for row in said["advice"] if "insecure" in row["text"]]
    assert len(told) == 1 and chip in told[0]["text"]
    assert ("secure-boot-v2-rsa3072" in told[0]["text"]) == rsa
    assert ("no RSA" in told[0]["text"]) == (not rsa)
    line = path.read_text().splitlines()[told[0]["line"] - 1]
    assert line.startswith("\tschemes = {\"secure-boot-v2-ecdsa256")


def test_an_approver_needs_the_partition_table_too(office):
    """The size that a table says is in the document: who signs that compiles
    the text with their own copy of the table."""
    office.file("slots.csv", SLOTS)
    number = next_number(office)
    text = lamp(office, number, 'partition-table = "slots.csv"')
    payload = propose(office, text)["payload"]
    done = office.say("policy", "approve", payload, "--yes", by="bob",
                      ok=(78,))
    assert "slots.csv" in done.stderr, done.stderr
    office.say("policy", "approve", payload, "--yes", by="bob",
               cwd=office.place)
    assert not proposals(office)
