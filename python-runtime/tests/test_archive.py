import unittest

import fake_host

fake_host.install()

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


if __name__ == "__main__":
    unittest.main()
