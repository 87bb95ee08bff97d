package main

import (
	"context"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"varve/fusemount"
	"varve/repository"
	"varve/revision"
)

// serveImageName is the command by which this program starts itself again, to serve an image as a file.
const serveImageName = "__serve-image"

// serveImageCache bounds what is kept of the image: the kernel keeps what was read of it, too.
const serveImageCache = 128 << 20

// layerFlags say where what is written to an image lies.
type layerFlags struct {
	overlay     string
	overlaySize amount
}

// serveImageCommand is what serves a revision until its standard input ends. It first says, in a line, where the image is, or why there is none.
func serveImageCommand(s *session) *command {
	var layer layerFlags
	return &command{
		name: serveImageName, args: "REVISION",
		flags: []cli.Flag{
			&cli.StringFlag{Name: "overlay", Destination: &layer.overlay},
			&cli.GenericFlag{Name: "overlay-size", Value: &layer.overlaySize},
		},
		run: func(ctx context.Context, args []string) (result, error) {
			return nil, s.serveImage(ctx, layer, args[0])
		},
	}
}

// serveImage shows a revision as a file, which can be written to if there is a place for that.
func (s *session) serveImage(ctx context.Context, layer layerFlags, text string) error {
	explain := func(err error) fusemount.Failure {
		return fusemount.Failure{Text: err.Error(), Hint: hint(err, s.about), Exit: exitCode(err)}
	}
	name, id, err := revision.SplitAddress(text)
	if err != nil {
		return fusemount.RefuseImage(s.stdout, explain(err))
	}
	repo, err := s.openRepository(toRead)
	if err != nil {
		return fusemount.RefuseImage(s.stdout, explain(err))
	}
	defer s.close("close the repository", repo)
	opts := fusemount.Options{
		Cache: serveImageCache, Log: s.log,
		Writable: layer.overlay != "", Overlay: layer.overlay, OverlaySize: int64(layer.overlaySize),
	}
	return fusemount.ServeImage(ctx, repo, name, revision.ID(id), opts, s.stdin, s.stdout, explain)
}

// startServer starts a process that serves the image of a revision; for writing, if there is a layer. The caller closes it.
func (s *session) startServer(rev repository.Revision, layer *layerFlags) (*fusemount.Server, error) {
	dir, err := s.repositoryDir()
	if err != nil {
		return nil, err
	}
	words := []string{serveImageName, "--repo=" + dir}
	if s.globals.config != "" {
		words = append(words, "--config="+s.globals.config)
	}
	if layer != nil {
		words = append(words, "--overlay="+layer.overlay)
		if layer.overlaySize > 0 {
			words = append(words, "--overlay-size="+strconv.FormatInt(int64(layer.overlaySize), 10))
		}
	}
	return fusemount.StartServer(append(words, "--", rev.Volume.Name.String()+"@"+string(rev.ID)), s.passOn)
}

// passOn tells what the serving process warns of, as a warning of this one.
func (s *session) passOn(line string) {
	text := strings.TrimSpace(strings.TrimPrefix(line, "WARNING"))
	if text != "" && !strings.HasPrefix(text, "reading without a lease") { // which this process has said, if it matters
		s.warn("%s", text)
	}
}
