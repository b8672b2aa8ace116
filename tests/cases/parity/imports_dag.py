from nested.inner_kept import *
# airflow dag
