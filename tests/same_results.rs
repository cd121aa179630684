//! What is done in another way than CPython's own, for speed, comes to the same.

use crate::support::{sandbox, stdout};

#[tokio::test]
async fn bytes_are_found_and_compared_whatever_their_size_and_place() {
    // Searched and compared in blocks (`shim/search.c`): against one by one.
    let code = r"
def one_by_one(a, b):
    for x, y in zip(a, b):
        if x != y: return x < y
    return len(a) < len(b)
for size in [*range(70), 127, 128, 129, 200, 1000]:
    for start in (0, 1, 7, 15):
        whole = memoryview(bytes(start + size))[start:].tobytes()
        assert whole.find(b'\1') == whole.rfind(b'\1') == -1, size
        for at in {0, 1, size // 2, size - 17, size - 16, size - 2, size - 1} & set(range(size)):
            for byte in (1, 0x7f, 0x80, 0xff):
                found = bytearray(whole)
                found[at] = byte
                found = bytes(found)
                assert found.find(bytes([byte])) == found.rfind(bytes([byte])) == at, (size, at)
                assert (found < whole, whole < found) == (False, True), (size, at, byte)
                other = bytearray(found)
                other[at] ^= 0x81
                other = bytes(other)
                assert (found < other) == one_by_one(found, other), (size, at, byte)
                assert found != other and found == bytes(bytearray(found))
                twice = found + found
                assert twice.find(bytes([byte])) == at and twice.rfind(bytes([byte])) == size + at
                assert twice.find(bytes([byte]), at + 1) == size + at
text = 'é' * 100 + '\r' + '☃' * 100
assert text.find('\r') == text.rfind('\r') == 100 and text.find('☃') == 101 and text.rfind('é') == 99
print('same')
";
    assert_eq!(stdout(code).await, "same\n");
}

#[tokio::test]
async fn bytes_are_copied_and_filled_whatever_their_size_and_place() {
    // Few at once, many in pieces, and places may overlap (`shim/pieces.c`).
    let code = r"
sizes = [*range(140), 200, 255, 256, 257, 1000]
for size in [*sizes, (256 << 10) - 1, 256 << 10, (256 << 10) + 1, 600_000]:
    filled = bytes([7]) * size
    assert len(filled) == size and filled.count(7) == size and bytes(size).count(0) == size
    for by in (0, 1, 3, 8, 15, 16, 17, 31, 64, 100, 300):
        for start, to in ((20, 20 + by), (20 + by, 20)):
            buffer = bytearray(n % 251 for n in range(size + 400)) if size < 2000 else (
                bytearray(range(251)) * (size // 251 + 3))
            whole = bytes(buffer)
            view = memoryview(buffer)
            view[to:to + size] = view[start:start + size]
            parts = whole[:to], whole[start:start + size], whole[to + size:]
            assert buffer == b''.join(parts), (size, start, to)
            if size < 140:
                expected = [*whole]
                expected[to:to + size] = [*whole][start:start + size]
                assert [*buffer] == expected, (size, start, to)
print('same')
";
    assert_eq!(stdout(code).await, "same\n");
}

#[tokio::test]
async fn ints_are_written_with_all_their_digits() {
    // Short ones by `shim/digits.c`, by another way than `%d`.
    let code = r"
import enum, sys
powers = [10**n for n in range(30)] + [2**n for n in range(80)]
for number in {one + by for one in powers for by in range(-2, 3)} | set(range(-300, 3000)):
    for number in (number, -number):
        assert str(number) == repr(number) == f'{number}' == '%d' % number, number
        assert int(str(number)) == number
class Mine(int): pass
class Loud(int):
    def __repr__(self): return 'loud'
class Color(enum.IntEnum): RED = 7
print(str(Mine(-5)), str(Loud(5)), int.__repr__(Loud(5)), str(Color.RED), repr(Color.RED))
print(True, int.__repr__(True), [0, -1, 2**30 - 1, 2**30, -2**30], type(str(5)) is str)
try: int.__repr__('5')
except TypeError as error: print(error)
try: str(10**5000)
except ValueError as error: print(str(error)[:28])
";
    let seen = "-5 loud 5 7 <Color.RED: 7>\n\
        True 1 [0, -1, 1073741823, 1073741824, -1073741824] True\n\
        descriptor '__repr__' requires a 'int' object but received a 'str'\n\
        Exceeds the limit (4300 digi\n";
    assert_eq!(stdout(code).await, seen);
}

#[tokio::test]
async fn who_stands_in_for_the_allocator_sees_what_is_allocated() {
    let code = r"
import tracemalloc
tracemalloc.start()
kept = [str(n) * 10 for n in range(1000)]
held = tracemalloc.get_traced_memory()[0]
del kept
left = tracemalloc.get_traced_memory()[0]
tracemalloc.stop()
print(held > 50_000, left < held - 50_000, str(5) * 3)
";
    assert_eq!(stdout(code).await, "True True 555\n");
}

#[tokio::test]
async fn who_traces_sees_each_instruction() {
    // A call and a comparison look for what nearly always follows (`shim/breaker.h`).
    let code = r"
import dis, sys
def less(a):
    return 'less' if a < 5 else 'more'
def ask(a): return less(a)
for n in range(1000): ask(n)
seen = []
def trace(frame, event, _):
    if frame.f_code is less.__code__:
        frame.f_trace_opcodes = True
        if event == 'opcode': seen.append(names[frame.f_lasti])
    return trace
names = {one.offset: one.opname for one in dis.get_instructions(less)}
sys.settrace(trace); small, large = ask(1), ask(7); sys.settrace(None)
print(small, large, ask(4), ask(5))
print(*seen)
branches = []
tool = sys.monitoring.PROFILER_ID
sys.monitoring.use_tool_id(tool, 'test')
events = sys.monitoring.events
sys.monitoring.register_callback(tool, events.BRANCH, lambda code, at, to: branches.append(names[at]))
sys.monitoring.register_callback(tool, events.PY_START, lambda code, at: branches.append('start'))
sys.monitoring.set_local_events(tool, less.__code__, events.BRANCH | events.PY_START)
ask(1), ask(7)
sys.monitoring.set_local_events(tool, less.__code__, 0)
print(*branches, ask(1))
";
    let one = "LOAD_FAST LOAD_CONST COMPARE_OP POP_JUMP_IF_FALSE LOAD_CONST RETURN_VALUE";
    let branch = "start POP_JUMP_IF_FALSE";
    let seen = format!("less more less more\n{one} {one}\n{branch} {branch} less\n");
    assert_eq!(stdout(code).await, seen);
}

#[tokio::test]
async fn texts_of_c_are_searched_as_everywhere() {
    // `strchr` and its like (`shim/search.c`): the tokenizer looks for each line's end,
    // SQLite and `strftime` for letters.
    let code = r"
import ast, sqlite3, time
for length in range(70):
    name = 'x' * (length + 1)
    tree = ast.parse(f'{name} = 1\n\n{name}é = 2\n# {name}\n{name} = 3')
    assert [(one.lineno, one.targets[0].id) for one in tree.body] == [
        (1, name), (3, name + 'é'), (5, name)], length
    db = sqlite3.connect(':memory:')
    assert db.execute(f'select 1 as {name}').description[0][0] == name
    at = time.gmtime(0)
    assert time.strftime('-' * length + '%Y%%' + '+' * length, at) == '-' * length + '1970%' + '+' * length
print('same')
";
    assert_eq!(stdout(code).await, "same\n");
}

#[tokio::test]
async fn the_last_line_of_a_program_costs_as_much_as_the_first() {
    let fuel = async |lines: u32| {
        let code = format!("import ast\nast.parse('x = 1\\n' * {lines})");
        let run = sandbox().prepare(code).with_fuel_limit(u64::MAX);
        run.run().await.unwrap().fuel_consumed.unwrap()
    };
    let [none, some, more] = [fuel(0).await, fuel(4000).await, fuel(8000).await];
    let (first, second) = (some - none, more - some);
    assert!(second < first + first / 4, "{first} {second}");
}
