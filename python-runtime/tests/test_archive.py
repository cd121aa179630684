import io
import unittest
import unittest.mock
import zipfile

import fake_host

host = fake_host.install()

import _eryx_archive


class File(unittest.TestCase):
    def test_reads_like_a_file(self):
        with _eryx_archive.ArchiveFile() as file:
            self.assertEqual(file.seek(0, 2), 10)
            self.assertEqual(file.seek(-3, 1), 7)
            self.assertEqual(file.read(2), b"78")
            self.assertEqual(file.tell(), 9)
            self.assertEqual(file.read(), b"9")
            self.assertEqual(file.read(), b"")


class Hook(unittest.TestCase):
    def test_answers_for_the_archive_only(self):
        importer = _eryx_archive.path_hook("/usr/lib/python313.zip/json")
        self.assertEqual(importer.prefix, "json/")
        for path in ("/usr/lib", "/usr/lib/python313.zipper", ""):
            with self.assertRaises(ImportError):
                _eryx_archive.path_hook(path)


class LeaveOut(unittest.TestCase):
    def test_what_is_left_is_an_archive(self):
        for names in (set(), {"a"}, {"b", "d"}, {"d"}, {"a", "b", "c", "d"}):
            for comment in (b"", b"what it is"):
                with self.subTest(names=names, comment=comment):
                    self.check(names, comment)

    def check(self, names, comment):
        whole = io.BytesIO()
        with zipfile.ZipFile(whole, "w") as archive:
            archive.comment = comment
            for name in "abcd":
                archive.writestr(name, name * 1000)
        memory = bytearray(whole.getvalue())
        length = []
        host.change_archive = lambda: memoryview(memory)
        host.shorten_archive = length.append
        read = unittest.mock.patch("zipimport._read_directory", lambda path: {})
        cache = unittest.mock.patch.dict("zipimport._zip_directory_cache")
        with read, cache:
            _eryx_archive.leave_out(names)
        with zipfile.ZipFile(io.BytesIO(memory[: length[0]])) as archive:
            self.assertEqual(archive.comment, comment)
            self.assertEqual(archive.namelist(), sorted(set("abcd") - names))
            for name in archive.namelist():
                self.assertEqual(archive.read(name), (name * 1000).encode())


if __name__ == "__main__":
    unittest.main()
