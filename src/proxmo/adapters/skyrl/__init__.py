"""ProxMO in SkyRL: environments for `skyrl_gym`, and credit for every turn.

`environment`   registers every environment of proxmo as `proxmo` with `skyrl_gym`
`columns`       what an episode tells the trainer of its turns
`trainer`       a trainer that credits every turn, and the entry point to start it with
`data`          the parquet file of tasks that SkyRL's data loader wants
"""
