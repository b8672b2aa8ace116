# airflow dag
VALUE = 1
