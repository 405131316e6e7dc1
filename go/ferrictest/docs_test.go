package ferrictest_test

import (
	"os"
	"strings"
	"testing"

	"ferric-vtl.org/ferrictest"
)

// The example of docs/go.md, which TestDocs compares with this file.

func TestBackup(t *testing.T) {
	library := ferrictest.Start(t)
	if err := library.Load("V00001L8", "drive1"); err != nil {
		t.Fatal(err)
	}
	session, err := library.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	if err := session.ClearUnitAttentions(1); err != nil {
		t.Fatal(err)
	}
	// WRITE(6) of five bytes to LUN 1, the first drive.
	response, err := session.Command(1, []byte{0x0a, 0, 0, 0, 5, 0}, []byte("hello"), 0)
	if err != nil || response.Status != 0 {
		t.Fatal(response, err)
	}
}

func TestDocs(t *testing.T) {
	page, err := os.ReadFile("../../docs/go.md")
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile("docs_test.go")
	if err != nil {
		t.Fatal(err)
	}
	_, example, found := strings.Cut(string(page), "```go\n")
	example, _, ended := strings.Cut(example, "```")
	if !found || !ended || !strings.Contains(string(source), "\n"+example) {
		t.Fatal("docs/go.md has another example than docs_test.go")
	}
}
