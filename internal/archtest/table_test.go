package archtest

// mayImport says which packages of the module a package may import: the arrows
// of the picture, pointing down. A package may be named here before it exists;
// one that exists and is not named is an error. Tests may import what they
// like. "*" is every package.
var mayImport = map[string][]string{
	"internal/durable":             {},
	"internal/human":               {},
	"internal/mountinfo":           {},
	"internal/process":             {},
	"internal/durable/durabletest": {"internal/durable"},
	"internal/archtest":            {},
	"internal/doctest":             {},
	"internal/proof":               {"*"},
	"internal/proof/cluster":       {"*"},
	"internal/proof/interleave":    {"*"},
	"internal/proof/machine":       {"*"},
	"internal/proof/packs":         {"chunkstore"},
	"internal/proof/tally":         {"internal/durable"},
	"internal/proof/rot":           {"*"},
	"internal/proof/traps":         {"*"},
	"chunkstore":                   {"internal/durable", "internal/process"},
	"revision":                     {"chunkstore"},
	"repository":                   {"chunkstore", "revision", "internal/durable", "internal/process"},
	"retention":                    {"revision", "internal/human"},
	"volume":                       {},
	"volume/volumetest":            {"volume"},
	"volume/filevolume":            {"volume", "internal/durable", "internal/mountinfo", "internal/process"},
	"volume/rbdvolume":             {"volume"},
	"volume/rbdvolume/rbdtest":     {"volume", "volume/rbdvolume"},
	"disk":                         {"volume"},
	"loopmount":                    {"disk", "volume"},
	"filecopy":                     {"loopmount", "internal/durable"},
	"backup":                       {"repository", "revision", "chunkstore", "volume", "internal/human"},
	"scrub":                        {"repository", "revision", "chunkstore"},
	"fusemount":                    {"repository", "revision", "chunkstore", "internal/durable", "internal/mountinfo", "internal/process"},
	"drill":                        {"fusemount", "loopmount", "disk", "repository", "revision", "chunkstore", "internal/human", "internal/mountinfo", "internal/process"},
	"scheduler":                    {"config", "revision", "schedule", "internal/durable", "internal/human", "internal/process"},
	"hostlimit":                    {"internal/durable", "internal/human", "internal/process"},
	"hook":                         {"internal/process"},
	"schedule":                     {"internal/human"},
	"status":                       {"repository", "revision", "schedule", "internal/human"},
	"notify":                       {"hook", "status", "internal/durable"},
	"config":                       {"retention", "schedule", "revision", "volume", "internal/human"},
	"job":                          {"backup", "config", "hook", "hostlimit", "repository", "retention", "revision", "schedule", "status", "volume", "internal/process"},
	"cmd/varve":                    {"*"},
	"scripts/testsummary":          {},
	"scripts/mutants":              {},
}

// homes says which packages may import an outside library. A library that is
// not here has no home yet and may not be imported: name its one home first.
var homes = map[string][]string{
	"go.etcd.io/bbolt":                 {"chunkstore"},
	"go.yaml.in/yaml/v4":               {"config"},
	"github.com/klauspost/compress":    {"chunkstore"},
	"github.com/pierrec/lz4/v4":        {"chunkstore"},
	"lukechampine.com/blake3":          {"chunkstore", "revision"}, // content ids; region hashes and image digests
	"github.com/zeebo/xxh3":            {"chunkstore", "revision", "repository", "internal/durable"},
	"github.com/urfave/cli/v2":         {"cmd/varve"},
	"golang.org/x/term":                {"cmd/varve"},
	"github.com/rivo/uniseg":           {"cmd/varve"}, // how wide text is
	"golang.org/x/time":                {"backup", "scrub"},
	"golang.org/x/sys":                 {"internal/durable", "internal/durable/durabletest", "volume/filevolume", "loopmount", "filecopy", "fusemount", "drill"},
	"golang.org/x/sync":                {"*"},
	"github.com/ceph/go-ceph":          {"volume/rbdvolume", "volume/rbdvolume/rbdtest"},
	"C":                                {"volume/rbdvolume"}, // what go-ceph has no call for; nobody else needs a C compiler
	"github.com/hanwen/go-fuse/v2":     {"fusemount", "internal/proof/machine"},
	"pgregory.net/rapid":               {"internal/durable/durabletest", "volume/volumetest"},
	"github.com/rogpeppe/go-internal":  {}, // tests only
	"github.com/prometheus/common":     {}, // likewise: reads metrics as Prometheus does
	"github.com/prometheus/prometheus": {}, // likewise: reads expressions
}

// mayNotImport keeps packages pure: values in, values out, no world around them.
var mayNotImport = map[string][]string{
	"revision":  {"os", "net", "syscall"},
	"retention": {"os", "net", "syscall"},
	"schedule":  {"os", "net", "syscall"},
	"status":    {"os", "net", "syscall"},
	"disk":      {"os", "net", "syscall"},
}

// A reservation keeps some functions to a few packages.
type reservation struct {
	what       string              // what the functions do, as the end of "it ..."
	calls      map[string][]string // package path → functions
	homes      []string            // who may use them all
	exceptions map[string]string   // "package path.Function" → why
}

var reservations = []reservation{
	{
		what: "changes files, which only internal/durable does",
		calls: map[string][]string{
			"os": {
				"Create", "CreateTemp", "OpenFile", "OpenRoot", "WriteFile", "CopyFS",
				"Rename", "Link", "Symlink", "Remove", "RemoveAll", "Truncate",
				"Mkdir", "MkdirAll", "MkdirTemp", "Chmod", "Chown", "Chtimes",
			},
			"golang.org/x/sys/unix": {
				"Open", "Openat", "Openat2", "Creat", "Rename", "Renameat", "Renameat2", "Link", "Linkat",
				"Symlink", "Symlinkat", "Unlink", "Unlinkat", "Rmdir", "Mkdir", "Mkdirat", "Truncate",
				"Ftruncate", "Fsync", "Fdatasync", "Syncfs", "Sync",
			},
			"syscall": {
				"Open", "Openat", "Creat", "Rename", "Renameat", "Link", "Symlink", "Unlink", "Unlinkat",
				"Rmdir", "Mkdir", "Mkdirat", "Truncate", "Ftruncate", "Fsync", "Fdatasync", "Sync",
			},
		},
		homes: []string{"internal/durable"},
		exceptions: map[string]string{
			"scripts/mutants os.MkdirTemp":  "mutants live in copies of the tree, in a temporary directory",
			"scripts/mutants os.MkdirAll":   "likewise",
			"scripts/mutants os.WriteFile":  "likewise",
			"scripts/mutants os.RemoveAll":  "likewise",
			"volume/filevolume os.OpenFile": "devices are opened with flags of their own (O_EXCL, O_DIRECT) and never created",
			"loopmount os.OpenFile":         "a loop device is opened for writing, and never created",
			"drill os.MkdirAll":             "directories to mount at, in a file system in memory that ends with its process",
			"fusemount os.OpenFile":         "an image in a mount of its own is opened for writing, and never created",
			"loopmount unix.Openat2":        "opens for reading, within an image that is mounted read-only",
			"chunkstore os.Remove":          "the catalog is a cache of this host outside every repository; damaged, it is deleted and built anew",
		},
	},
	{
		what: "speaks or ends the program, which only commands do",
		calls: map[string][]string{
			"fmt": {"Print", "Printf", "Println"},
			"log": {
				"Print", "Printf", "Println", "Fatal", "Fatalf", "Fatalln", "Panic", "Panicf", "Panicln",
			},
			"log/slog": {"Debug", "Info", "Warn", "Error", "Default", "SetDefault"},
			"os":       {"Exit", "Stdin", "Stdout", "Stderr"},
		},
		homes: []string{"cmd/varve", "scripts/testsummary", "scripts/mutants"},
	},
	{
		what: "reads the environment or flags, which commands hand down as typed options",
		calls: map[string][]string{
			"os":   {"Getenv", "LookupEnv", "Environ", "ExpandEnv", "Setenv", "Unsetenv", "Args"},
			"flag": {"Parse", "String", "Bool", "Int", "Duration", "NewFlagSet", "CommandLine"},
		},
		homes: []string{"cmd/varve", "scripts/testsummary", "scripts/mutants"},
	},
}

// Lines of a file that is not a test: at the first a note, at the second an error.
const (
	longFile    = 500
	tooLongFile = 700
)
