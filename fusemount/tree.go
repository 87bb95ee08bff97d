package fusemount

import (
	"time"

	"varve/repository"
	"varve/revision"
)

// A volumeTree is the folders of all volumes.
type volumeTree struct {
	freshness
	root   *folder
	byUUID map[revision.UUID]repository.Volume
}

// A folder may hold folders, be a volume's, or both.
type folder struct {
	folders map[string]*folder
	volume  *repository.Volume
}

// find follows a path.
func (f *folder) find(path []string) *folder {
	for _, element := range path {
		if f == nil {
			return nil
		}
		f = f.folders[element]
	}
	return f
}

func (f *folder) insert(path []string, v repository.Volume) {
	for _, element := range path {
		if f.folders == nil {
			f.folders = map[string]*folder{}
		}
		if f.folders[element] == nil {
			f.folders[element] = &folder{}
		}
		f = f.folders[element]
	}
	f.volume = &v
}

// tree gives the folders of all volumes. It must not be changed.
func (c *listings) tree() (*volumeTree, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	if c.latest.isFresh(now, c.opts.Refresh, c.repo.VolumesStamp) {
		return c.snapshot(), nil
	}
	stamp, err := c.repo.VolumesStamp()
	if err != nil {
		return nil, err
	}
	volumes, err := c.repo.Volumes()
	if err != nil && len(volumes) == 0 {
		return nil, err
	}
	if err != nil {
		c.opts.Log.Warn("some volumes cannot be shown", "error", err)
	}
	t := volumeTree{freshness: freshness{began: now, looked: now, stamp: stamp}, root: &folder{}, byUUID: map[revision.UUID]repository.Volume{}}
	for _, v := range volumes {
		if c.opts.Show(v.Name) {
			t.root.insert(folders(v.Name), v)
			t.byUUID[v.UUID] = v
		}
	}
	c.latest = t
	for uuid := range c.volumes {
		if _, is := t.byUUID[uuid]; !is {
			delete(c.volumes, uuid)
		}
	}
	return c.snapshot(), nil
}

// snapshot is the tree as it is; what it leads to is never changed.
func (c *listings) snapshot() *volumeTree {
	t := c.latest
	return &t
}
