package main

import (
	"context"

	"varve/config"
	"varve/revision"
	"varve/volume"
	"varve/volume/filevolume"
)

// listName is the command that a scheduler has list the volumes of the configuration, in a
// process of its own: a cluster or a mount that hangs hangs that.
const listName = "__sources"

func listSourcesCommand(s *session) *command {
	return &command{
		name: listName, asks: true,
		run: func(ctx context.Context, _ []string) (result, error) {
			conf, err := s.configuration()
			if err != nil || conf == nil {
				return nil, err
			}
			return s.listSources(ctx, conf), nil
		},
	}
}

type listedSources struct {
	Volumes  []listedSource  `json:"volumes"`
	Problems []configProblem `json:"problems"`
}

type listedSource struct {
	Volume revision.Name `json:"volume"`
	Size   int64         `json:"size"` // bytes; 0: not known
}

func (s *session) listSources(ctx context.Context, conf *config.Config) *listedSources {
	l := &listedSources{Volumes: []listedSource{}, Problems: []configProblem{}}
	volumes, errs := conf.Volumes(s.lister(ctx))
	for _, v := range volumes {
		l.Volumes = append(l.Volumes, listedSource{v.Name, sizeOfSource(v)})
	}
	for _, err := range errs {
		l.Problems = append(l.Problems, newConfigProblem(err))
	}
	return l
}

// sizeOfSource is how large a file or device is; 0: it cannot be told. Clusters are not asked
// about each image, and nothing is opened that is never a volume: a pipe would keep us waiting.
func sizeOfSource(v config.Volume) int64 {
	at, err := volume.ParseLocation(v.Source)
	if err != nil || at.Scheme != volume.SchemeFile {
		return 0
	}
	if _, err := filevolume.Open(at.Path); err != nil {
		return 0
	}
	size, err := sizeOf(at.Path)
	if err != nil {
		return 0
	}
	return size
}

func (l *listedSources) print(p *page) {
	for _, v := range l.Volumes {
		p.line("%s", v.Volume.String())
	}
}
